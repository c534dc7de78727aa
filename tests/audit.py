"""Known faults of what we stand on: pip-audit asks OSV about every version in constraints.txt (``make check``).

Exits 1 for a known fault, and for a list that cannot be read. Where OSV cannot be asked, one line says so and nothing
fails, unless ``AUDIT=required`` is in the environment. All is well only when an answer about every version has come.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONSTRAINTS: Final = Path(__file__).parents[1] / "constraints.txt"

ACCEPTED: Final[dict[str, str]] = {}
"""Faults that do not concern us: their id and the reason. One that is no longer told of must go."""

SECONDS: Final = 10
"""For one answer. pip-audit gives up at the first that does not come."""


@dataclass(frozen=True, slots=True)
class Verdict:
    failed: bool
    text: str


def audit(constraints: Path, *, osv_url: str | None, required: bool, accepted: Mapping[str, str] = ACCEPTED) -> Verdict:
    """``osv_url`` is another address of OSV, or of a mirror; None is its own."""
    asked = _pip_audit(constraints, *(["--osv-url", osv_url] if osv_url else []))
    if not asked.stdout:
        # It prints nothing before it has heard about every version. Whether it has at least read them is asked apart.
        read = _pip_audit(constraints, "--dry-run")
        if read.returncode:
            return Verdict(failed=True, text=f"dependency audit failed: {_last_line(read.stderr)}")
        outcome = "failed, since AUDIT=required" if required else "skipped"
        cause = _last_line(asked.stderr).partition(": ")[0]
        return Verdict(failed=required, text=f"dependency audit {outcome}: OSV could not be asked ({cause})")
    return _judge(json.loads(asked.stdout)["dependencies"], _versions(constraints), accepted)


def _judge(dependencies: Sequence[dict[str, Any]], expected: int, accepted: Mapping[str, str]) -> Verdict:
    answered = [each for each in dependencies if "vulns" in each]
    if len(answered) != expected:
        return Verdict(failed=True, text=f"dependency audit failed: {len(answered)} of {expected} versions were judged")
    faults, met = [], set()
    for each in answered:
        for fault in each["vulns"]:
            names = {fault["id"], *fault["aliases"]}
            met |= names & accepted.keys()
            if not names & accepted.keys():
                mended = ", ".join(fault["fix_versions"]) or "no version yet"
                faults.append(f"  {each['name']} {each['version']}: {fault['id']}, mended in {mended}")
    faults += [f"  {name} is accepted in tests/audit.py and known no more" for name in sorted(accepted.keys() - met)]
    if faults:
        return Verdict(failed=True, text="\n".join(["dependency audit failed:", *faults]))
    reasons = "".join(f"\n  accepted: {name}, {accepted[name]}" for name in sorted(met))
    return Verdict(failed=False, text=f"dependency audit: nothing is known against {expected} versions{reasons}")


def _pip_audit(constraints: Path, *more: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(
            [
                sys.executable, "-m", "pip_audit", "--requirement", constraints, "--no-deps", "--disable-pip",
                "--vulnerability-service", "osv", "--format", "json", "--aliases", "on", "--progress-spinner", "off",
                "--timeout", str(SECONDS), "--cache-dir", cache, *more,
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip


def _versions(constraints: Path) -> int:
    return sum(line.strip() != "" and not line.startswith("#") for line in constraints.read_text().splitlines())


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--osv-url", help="another address of OSV, or of a mirror")
    verdict = audit(
        CONSTRAINTS, osv_url=parser.parse_args().osv_url, required=os.environ.get("AUDIT", "") == "required"
    )
    print(verdict.text)
    sys.exit(verdict.failed)


if __name__ == "__main__":
    main()
