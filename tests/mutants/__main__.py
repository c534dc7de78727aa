"""Deliberate breaks: each takes one guard out of a private copy of the code and must turn the named tests red.

``make mutants`` runs them all and prints which were caught; it exits 1 when one survives. They are no part of ``make test``:
a break that is caught once is caught until code or test changes.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.breaks import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


def run(mutant: Mutant, folder: Path) -> tuple[str, float, str]:
    """CAUGHT, SURVIVED or BROKEN (the text to replace is not there, or no test ran), with seconds and the last line."""
    started = time.monotonic()
    copy = private_copy(folder / str(MUTANTS.index(mutant)))
    path = copy / mutant.file
    text = path.read_text()
    if mutant.before not in text:
        return "BROKEN", 0.0, f"{mutant.file} has no such text"
    path.write_text(text.replace(mutant.before, mutant.after, 1))
    code, last = pytest(copy, mutant.tests)
    shutil.rmtree(copy, ignore_errors=True)
    return {0: "SURVIVED", 1: "CAUGHT"}.get(code, "BROKEN"), time.monotonic() - started, last


def private_copy(folder: Path) -> Path:
    for name in ("app", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "schema.graphql"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def pytest(copy: Path, tests: str) -> tuple[int, str]:
    """Exit code and last line of pytest on a copy, which comes before the installed code on the path."""
    # A cache for all copies together, beside them: what a test fetches is fetched once.
    kept = f"cache_dir={copy.parent / 'cache'}"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-o", kept, *shlex.split(tests)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]])[-1]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-k", dest="words", default="", help="only those whose name contains this")
    words = arguments.parse_args().words
    chosen = [mutant for mutant in MUTANTS if words in mutant.name]
    if not chosen:
        arguments.error(f"no mutant's name contains {words!r}")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="invites-mutants-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        # Without this a test that is red anyway would catch everything.
        files = sorted({word for mutant in chosen for word in mutant.tests.split() if word.startswith("tests/")})
        code, last = pytest(private_copy(Path(folder) / "unbroken"), " ".join(files))
        if code:
            print(f"The unbroken copy is not green, so nothing is proved: {last}")
            return 1
        results = pool.map(lambda mutant: run(mutant, Path(folder)), chosen)
        for mutant, (verdict, seconds, last) in zip(chosen, results, strict=True):
            wrong += verdict != "CAUGHT"
            print(
                f"{verdict:8} {seconds:5.0f} s  {mutant.name}" + ("" if verdict == "CAUGHT" else f"\n         {last}"),
                flush=True,
            )
    print(f"{len(chosen) - wrong} of {len(chosen)} deliberate breaks were caught")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
