"""Public ids: no two alike, in the order in which they are made."""

import subprocess
import sys

from app.domain.ids import MESSAGE, is_id, new_id

FORKED = """
import os
from app.domain.ids import MESSAGE, new_id
new_id(MESSAGE)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, new_id(MESSAGE).encode())
    os._exit(0)
os.wait()
print(os.read(read, 100).decode(), new_id(MESSAGE))
"""


def test_ids_of_one_process_are_in_order_and_no_two_alike() -> None:
    made = [new_id(MESSAGE) for _ in range(1_000)]
    assert all(is_id(MESSAGE, each) for each in made)
    assert made == sorted(set(made))
    assert len({each[-15:] for each in made}) == len(made), "by chance too, not by the time alone"


def test_a_forked_process_has_chances_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    child, parent = done.stdout.split()
    assert child[-15:] != parent[-15:]
