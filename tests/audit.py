"""Known faults of what we stand on: pip-audit asks OSV about every version in constraints.txt (``make check``).

Exits 1 for a known fault, and for a list that cannot be read. Where OSV cannot be asked, one line says so and nothing
fails, unless ``AUDIT=required`` is in the environment. All is well only when an answer about every version has come.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# pip-audit ships no types.
from pip_audit._audit import Auditor  # type: ignore[import-untyped]
from pip_audit._dependency_source import DependencySourceError, RequirementSource  # type: ignore[import-untyped]
from pip_audit._service import (  # type: ignore[import-untyped]
    Dependency,
    OsvService,
    ResolvedDependency,
    VulnerabilityResult,
)

Told = tuple[Dependency, list[VulnerabilityResult]]

CONSTRAINTS: Final = Path(__file__).parents[1] / "constraints.txt"

ACCEPTED: Final[dict[str, str]] = {}
"""Faults that do not concern us: their id and the reason. One that is no longer told of must go."""

SECONDS: Final = 10
"""For one answer. pip-audit gives up at the first that does not come."""


@dataclass(frozen=True, slots=True)
class Verdict:
    failed: bool
    text: str


def audit(constraints: Path, *, osv_url: str, required: bool, accepted: Mapping[str, str] = ACCEPTED) -> Verdict:
    source = RequirementSource([constraints], no_deps=True, disable_pip=True)
    try:
        list(source.collect())  # apart, since a list that cannot be read is no service that cannot be asked
    except DependencySourceError as error:
        return Verdict(failed=True, text=f"dependency audit failed: {error}")
    with tempfile.TemporaryDirectory() as cache:
        try:
            told = list(Auditor(OsvService(Path(cache), SECONDS, osv_url)).audit(source))
        except Exception as error:  # noqa: BLE001  # whatever it is, OSV has not said something of every version
            outcome = "failed, since AUDIT=required" if required else "skipped"
            cause = type(error).__name__
            return Verdict(failed=required, text=f"dependency audit {outcome}: OSV could not be asked ({cause})")
    return _judge(told, _versions(constraints), accepted)


def _judge(told: Sequence[Told], expected: int, accepted: Mapping[str, str]) -> Verdict:
    judged = [(each, faults) for each, faults in told if isinstance(each, ResolvedDependency)]
    if len(judged) != expected:
        return Verdict(failed=True, text=f"dependency audit failed: {len(judged)} of {expected} versions were judged")
    lines, met = [], set()
    for each, faults in judged:
        for fault in faults:
            names = {str(name) for name in (fault.id, *fault.aliases)}
            met |= names & accepted.keys()
            if not names & accepted.keys():
                mended = ", ".join(map(str, fault.fix_versions)) or "no version yet"
                lines.append(f"  {each.name} {each.version}: {fault.id}, mended in {mended}")
    lines += [f"  {name} is accepted in tests/audit.py and known no more" for name in sorted(accepted.keys() - met)]
    if lines:
        return Verdict(failed=True, text="\n".join(["dependency audit failed:", *lines]))
    reasons = "".join(f"\n  accepted: {name}, {accepted[name]}" for name in sorted(met))
    return Verdict(failed=False, text=f"dependency audit: nothing is known against {expected} versions{reasons}")


def _versions(constraints: Path) -> int:
    return sum(line.strip() != "" and not line.startswith("#") for line in constraints.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--osv-url", default=OsvService.DEFAULT_OSV_URL, help="another address of OSV, or of a mirror")
    verdict = audit(
        CONSTRAINTS, osv_url=parser.parse_args().osv_url, required=os.environ.get("AUDIT", "") == "required"
    )
    print(verdict.text)
    sys.exit(verdict.failed)


if __name__ == "__main__":
    main()
