"""A measuring process of its own, so that its CPU is told apart and its loop disturbs nobody: ``run`` starts one.

``python -m benchmarks.child MODULE:FUNCTION`` reads the arguments as JSON, runs the coroutine under uvloop and writes what
it returns as JSON.
"""

import asyncio
import importlib
import json
import sys
from typing import Any

import uvloop


class ChildError(Exception):
    """A measuring process failed or took too long; the text is its last line."""


async def run(target: str, *, limit: float = 90.0, **arguments: Any) -> Any:
    """What ``target`` (``module:function``) returns. Raises ChildError when it fails or takes longer than ``limit``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.child", target,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(limit):
            out, err = await process.communicate(json.dumps(arguments).encode())
    except TimeoutError:
        raise ChildError(f"{target} took longer than {limit:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = err.decode(errors="replace").strip().splitlines()
        raise ChildError(f"{target} failed: {lines[-1] if lines else 'it said nothing'}")
    return json.loads(out)


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    json.dump(uvloop.run(function(**json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
