"""The files that GraphiQL consists of: which they are, whether they are here, and ``python -m app.graphiql_files``,
which fetches them with npm.

Strawberry's own page names them, each with its version and its digest (W3C, Subresource Integrity); a file that has
another digest is neither kept nor served.
"""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

FOLDER: Final = Path(__file__).parent / "static" / "graphiql"
"""Kept out of git, shipped in the wheel."""
_PATIENCE: Final = 120.0
"""Seconds for npm."""
_NAME: Final = re.compile(r"((?:@[\w.-]+/)?[\w.-]+@[\w.-]+)/([\w.-]+(?:/[\w.-]+)*)")


class NotFetchedError(Exception):
    """npm did not give the packages. The message is one line."""


class WrongFileError(Exception):
    """A package holds something else than what the page was written for. The message is one line."""


@dataclass(frozen=True, slots=True)
class PageFile:
    url: str
    """Where the page of Strawberry loads it from: ``https://unpkg.com/graphiql@3.8.3/graphiql.min.js``."""
    integrity: str
    """``sha384-`` and the digest in base64."""

    @property
    def name(self) -> str:
        """``graphiql@3.8.3/graphiql.min.js``, also its path below ``FOLDER``."""
        return urlsplit(self.url).path.lstrip("/")

    @property
    def package(self) -> str:
        """As npm calls it: ``graphiql@3.8.3``."""
        return self._parts()[0]

    @property
    def member(self) -> str:
        """Its path in the package."""
        return self._parts()[1]

    def fits(self, content: bytes) -> bool:
        algorithm, _, digest = self.integrity.partition("-")
        return base64.b64encode(hashlib.new(algorithm, content).digest()).decode() == digest

    def _parts(self) -> tuple[str, str]:
        found = _NAME.fullmatch(self.name)
        assert found, f"Strawberry's page loads {self.url}, which is no file of a package"
        return found[1], found[2]


@cache
def page_files() -> tuple[PageFile, ...]:
    """Style sheets and scripts, in the order in which the page wants them."""
    # Found without being imported, which takes long.
    spec = find_spec("strawberry")
    assert spec is not None, "strawberry is a dependency"
    assert spec.origin is not None, "strawberry is a folder of files"
    found = _Files()
    found.feed((Path(spec.origin).parent / "static" / "graphiql.html").read_text(encoding="utf-8"))
    found.close()
    return tuple(found.files)


def are_here(folder: Path = FOLDER) -> bool:
    """True when all of them are in ``folder``, each as it must be."""
    paths = [(each, folder / each.name) for each in page_files()]
    return all(path.is_file() and each.fits(path.read_bytes()) for each, path in paths)


def fetch(folder: Path = FOLDER) -> None:
    """Put GraphiQL's into ``folder``, all or none. Raises NotFetchedError, WrongFileError."""
    for each, content in fetched(page_files()).items():
        path = folder / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def fetched(files: Sequence[PageFile]) -> dict[PageFile, bytes]:
    """All of them, each as it must be. Raises NotFetchedError, WrongFileError."""
    with tempfile.TemporaryDirectory(prefix="graphiql-") as packed:
        _pack(sorted({each.package for each in files}), packed)
        contents = {each: _unpacked(each, Path(packed)) for each in files}
    if wrong := [each.name for each, content in contents.items() if not each.fits(content)]:
        raise WrongFileError(f"These are not the files that were asked for: {', '.join(wrong)}.")
    return contents


def main() -> int:
    """Exit code 1 only for files that are not what they should be: without them the page still works, from elsewhere."""
    if are_here():
        return 0
    try:
        fetch()
    except NotFetchedError as error:
        sys.stderr.write(f"GraphiQL's files are not here, so its page loads them from unpkg.com: {error}\n")
        return 0
    except WrongFileError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _pack(packages: Sequence[str], folder: str) -> None:
    """Have npm put each package into ``folder`` as it is published; nothing of it is run."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetchedError("npm is not installed.")
    try:
        # In a folder of its own, where no package.json of anybody says anything.
        subprocess.run(  # noqa: S603  # npm, with names and versions from Strawberry's page
            [npm, "pack", "--silent", "--ignore-scripts", *packages],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotFetchedError(f"npm gave none ({type(error).__name__}).") from None


def _unpacked(file: PageFile, folder: Path) -> bytes:
    name, _, version = file.package.rpartition("@")
    path = folder / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    try:
        with tarfile.open(path) as package:
            content = package.extractfile(f"package/{file.member}")
            assert content is not None, "a file, not a folder"
            return content.read()
    except (OSError, KeyError, tarfile.TarError, AssertionError) as error:
        raise WrongFileError(f"{file.name} is not in what npm gave ({type(error).__name__}).") from None


class _Files(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[PageFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        url = given.get("src" if tag == "script" else "href", "")
        if tag in {"script", "link"} and "integrity" in given:
            self.files.append(PageFile(url, given["integrity"]))


if __name__ == "__main__":
    sys.exit(main())
