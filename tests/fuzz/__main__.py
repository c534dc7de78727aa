"""``make fuzz``: many cases for every target, on SQLite and on PostgreSQL; exits 1 when one of them was not answered well."""

import argparse
import logging
import sys
import traceback

from tests.databases import CHOSEN, Databases
from tests.fuzz.engine import MAX_GROWTH, SECONDS_PER_CASE, Tally, fuzz
from tests.fuzz.targets import TARGETS, shares
from tests.fuzz.world import world


def show(name: str, tally: Tally) -> None:
    answers = ", ".join(f"{answer} {count:,}" for answer, count in tally.answers.most_common())
    speed = f"{tally.cases:6,} cases {tally.seconds:6.1f} s, slowest {tally.slowest * 1000:5.0f} ms, +{tally.growth:4.1f} MiB"
    print(f"  {name:<28} {speed}\n    {answers}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="over all targets and databases [20000]")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other cases [1]")
    parser.add_argument("--target", default="", help="only those whose name contains this")
    wanted = parser.parse_args()
    chosen = [target for target in TARGETS if wanted.target in target.name]
    if not chosen:
        parser.error(f"no target's name contains {wanted.target!r}: {', '.join(target.name for target in TARGETS)}")
    logging.getLogger().addHandler(logging.NullHandler())  # else what is logged would be printed, case by case
    print(f"seed {wanted.seed}; a case may take {SECONDS_PER_CASE:.0f} s, a target may grow by {MAX_GROWTH:.0f} MiB")
    databases, done, failed = Databases(), 0, 0
    for kind in CHOSEN:
        print(f"{kind}:")
        with world(databases.make(kind)) as here:
            for target, cases in shares(chosen, -(-wanted.cases // len(CHOSEN))):
                try:
                    tally = fuzz(target, here, cases, wanted.seed)
                except Exception:  # noqa: BLE001 - whatever a case found, the other targets are still to be tried
                    failed += 1
                    print(f"  {target.name:<28} FAILED\n{traceback.format_exc()}", flush=True)
                else:
                    done += tally.cases
                    show(target.name, tally)
    print(f"{done:,} cases answered well; {failed} targets failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
