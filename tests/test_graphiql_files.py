"""Fetching GraphiQL's files, with an npm that is told what to bring."""

import base64
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from app import graphiql_files
from app.graphiql_files import NotFetchedError, PageFile, WrongFileError, are_here, fetch, main, page_files

SCOPED, PLAIN = "@scope/part@1.0.2/dist/style.css", "plain@3.8.3/plain.min.js"


def page_file(name: str, content: bytes) -> PageFile:
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    return PageFile(f"https://cdn.example/{name}", f"sha384-{digest}")


WANTED = (page_file(SCOPED, b"a {}"), page_file(PLAIN, b"1"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files go, of a page that wants two; there is no npm yet."""
    monkeypatch.setattr(graphiql_files, "page_files", lambda: WANTED)
    monkeypatch.setattr(graphiql_files.are_here, "__defaults__", (tmp_path / "kept",))
    monkeypatch.setattr(graphiql_files.fetch, "__defaults__", (tmp_path / "kept",))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "kept"


def npm(folder: Path, packages: Mapping[str, Mapping[str, bytes]], exit_code: int = 0) -> None:
    """Put an ``npm`` on the path that leaves these packages, by file name, in the folder that it is called in."""
    shelf = folder.parent / "shelf"
    shelf.mkdir()
    for name, members in packages.items():
        with tarfile.open(shelf / name, "w:gz") as package:
            for member, content in members.items():
                info = tarfile.TarInfo(f"package/{member}")
                info.size = len(content)
                package.addfile(info, io.BytesIO(content))
    program = folder.parent / "bin" / "npm"
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"assert sys.argv[1:] == ['pack', '--silent', '--ignore-scripts', '@scope/part@1.0.2', 'plain@3.8.3'], sys.argv\n"
        f"shutil.copytree({os.fspath(shelf)!r}, '.', dirs_exist_ok=True)\nsys.exit({exit_code})\n"
    )
    program.chmod(0o755)


GOOD = {
    "scope-part-1.0.2.tgz": {"dist/style.css": b"a {}"},
    "plain-3.8.3.tgz": {"plain.min.js": b"1", "other.js": b"2"},
}


def test_what_the_page_wants_is_fetched_and_nothing_else(folder: Path) -> None:
    npm(folder, GOOD)
    assert not are_here()
    assert main() == 0
    assert are_here()
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert kept == {SCOPED: b"a {}", PLAIN: b"1"}
    (folder.parent / "bin" / "npm").unlink()
    assert main() == 0, "what is here is not fetched again"


def test_without_npm_one_line_says_so_and_nothing_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().err.count("\n") == 1
    npm(folder, GOOD, exit_code=1)
    with pytest.raises(NotFetchedError):
        fetch()
    assert not folder.exists()


@pytest.mark.parametrize(
    "packages",
    [
        GOOD | {"plain-3.8.3.tgz": {"plain.min.js": b"1;evil()"}},
        GOOD | {"plain-3.8.3.tgz": {"other.js": b"1"}},
        {"plain-3.8.3.tgz": {"plain.min.js": b"1"}},
    ],
    ids=["changed", "file missing", "package missing"],
)
def test_a_wrong_file_fails_and_none_is_kept(
    folder: Path, packages: dict[str, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    npm(folder, packages)
    with pytest.raises(WrongFileError):
        fetch()
    assert main() == 1
    assert "not" in capsys.readouterr().err
    assert not folder.exists()


def test_what_strawberrys_page_names_is_pinned() -> None:
    assert {each.package for each in page_files()} == {
        "graphiql@3.8.3", "react@18.2.0", "react-dom@18.2.0", "js-cookie@3.0.5", "@graphiql/plugin-explorer@1.0.2",
    }  # fmt: skip
    assert all(each.integrity.startswith("sha384-") for each in page_files())
