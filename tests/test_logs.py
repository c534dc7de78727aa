"""What gets into a log: where it came from and what happened, and nobody's phone."""

import asyncio
import json
import logging
import sys

import pytest

from app import logs

SECRETS = ["+919876543210", "919876543210", "+1 (650) 555-0114", "98765 43210", "0091 98000 00014"]


@pytest.mark.parametrize("phone", SECRETS)
@pytest.mark.parametrize("around", ["{}", "to {}.", "({})", "Key (phone)=({}) exists", "'{}'", "phone={},", "{}: no"])
def test_phones_are_masked(phone: str, around: str) -> None:
    shown = logs.masked(around.format(phone))
    digits = "".join(char for char in phone if char.isdecimal())
    assert digits not in shown.replace(" ", "")
    assert "•••••" in shown
    assert sum(char.isdecimal() for char in shown) <= 6


@pytest.mark.parametrize("escape", [r"\n", r"\r", r"\t", r"\x0b", r"\u202a"])
def test_phones_behind_an_escaped_control_character_are_masked(escape: str) -> None:
    """As in the repr of a guest list: the letter of the escape is no part of a word."""
    shown = logs.masked(f"'name,phone{escape}guest 0{escape}919820010000{escape}msg_01234567890123456789012345678901'")
    assert shown == f"'name,phone{escape}guest 0{escape}•••••0000{escape}msg_01234567890123456789012345678901'"


@pytest.mark.parametrize(
    "text",
    [
        "run_01a20cc359f27c4c9d31458eb903bc2d", "msg_01234567890123456789012345678901.1", "code 131026", "took 0.123 s",
        "2026-11-24", "0:00:01.234567", "port 54321", "v26.0",
    ],
)  # fmt: skip
def test_what_is_no_phone_stays(text: str) -> None:
    assert logs.masked(text) == text


def test_meta_s_message_ids_are_masked() -> None:
    assert logs.masked("of wamid.HBgLMTY1MDU1NTAxMDEVAgARGBI= here") == "of wamid.••••• here"


def record(text: str, *args: object, failed: bool = False) -> logging.LogRecord:
    error = ValueError("Key (phone)=(+919876543210) already exists")
    info = (type(error), error, error.__traceback__) if failed else None
    return logging.LogRecord("app.worker", logging.WARNING, __file__, 1, text, args, info)


def test_json_lines() -> None:
    token = logs.request_id.set("request-1")
    try:
        line = logs.JsonFormatter().format(record("sent to %s\nnext line", "+919876543210", failed=True))
    finally:
        logs.request_id.reset(token)
    assert "\n" not in line
    assert "9876543210" not in line
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["request"]) == ("WARNING", "app.worker", "request-1")
    assert entry["time"].endswith("Z")
    assert entry["text"].startswith("sent to +91•••••3210\nnext line\nValueError: Key (phone)=(+91•••••3210)")
    assert "request" not in json.loads(logs.JsonFormatter().format(record("x")))


def entry_of(record: logging.LogRecord) -> dict[str, str]:
    found: dict[str, str] = json.loads(logs.JsonFormatter().format(record))
    return found


def test_lines_say_what_they_are_about() -> None:
    with logs.about(run="run_1", message="msg_1"):
        with logs.about(message="msg_2", delivery="rcp_1"):
            inner = entry_of(record("x"))
        outer = entry_of(record("x"))
        plain = logs.PlainFormatter().format(record("x"))
    assert (inner["run"], inner["message"], inner["delivery"]) == ("run_1", "msg_2", "rcp_1")
    assert (outer["run"], outer["message"], "delivery" in outer) == ("run_1", "msg_1", False)
    assert plain.endswith("app.worker [run_1 msg_1]: x")
    assert not set(logs.SUBJECTS) & entry_of(record("x")).keys()


def test_one_line_can_say_it_alone() -> None:
    one = record("x")
    one.about = {"message": "msg_1", "phone": "+919876543210", "number": None}
    assert {key: value for key, value in entry_of(one).items() if key not in {"time", "level", "logger"}} == {
        "message": "msg_1",
        "text": "x",
    }


@pytest.mark.parametrize(("count", "more"), [(1, ""), (10, ""), (11, " +1"), (256, " +246")])
def test_a_line_about_a_group_names_ten_and_counts_the_rest(count: int, more: str) -> None:
    names = [f"rcp_{number}" for number in range(count)]
    with logs.about(delivery=" ".join(names)):
        assert entry_of(record("x"))["delivery"] == " ".join(names[:10]) + more


def test_ids_are_masked_like_text() -> None:
    with logs.about(message="wamid.HBgLMTY1MDU1NTAxMDEVAgARGBI=", run="+919876543210"):
        entry = entry_of(record("x"))
    assert (entry["message"], entry["run"]) == ("wamid.•••••", "+91•••••3210")


def test_tasks_do_not_name_each_other_s_subjects() -> None:
    async def one(name: str) -> str:
        with logs.about(message=name):
            await asyncio.sleep(0)
            return entry_of(record("x"))["message"]

    async def both() -> list[str]:
        return list(await asyncio.gather(one("msg_1"), one("msg_2")))

    assert asyncio.run(both()) == ["msg_1", "msg_2"]


ODD = ["\x00\x1f\x7f", "\ud800 alone", "\u2028\u2029", 'a "quote" \\ and {brace}', "\r\n", "🎉 शादी", "%s %d %", "NaN"]


@pytest.mark.parametrize("odd", ODD)
def test_lines_are_json_whatever_is_in_them(odd: str) -> None:
    error = ValueError(odd)
    for one in (
        record(odd.replace("%", "%%") + "%s", odd),
        record(odd, "too", "many", "values"),
        logging.LogRecord("app", logging.ERROR, __file__, 1, "%s", (odd,), (ValueError, error, None)),
        logging.LogRecord("app", logging.ERROR, __file__, 1, "%d", (odd,), None),
    ):
        one.about = {"message": odd}
        line = logs.JsonFormatter().format(one)
        assert line.isascii()
        assert len(line.splitlines()) == 1
        entry = json.loads(line)
        assert entry["text"]
        assert entry["message"] == odd


def test_a_value_that_cannot_be_shown_loses_no_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("a bug")

    assert entry_of(record("see %s", Broken()))["text"].startswith("see %s (RuntimeError")


def test_a_chain_of_errors_is_one_line() -> None:
    try:
        try:
            int("to +919876543210")
        except ValueError as error:
            raise KeyError("x\ny") from error
    except KeyError:
        one = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    line = logs.JsonFormatter().format(one)
    assert len(line.splitlines()) == 1
    assert "9876543210" not in line
    assert "direct cause" in json.loads(line)["text"]


def test_plain_lines() -> None:
    line = logs.PlainFormatter().format(record("sent to %s", "+919876543210"))
    assert line.endswith("WARNING app.worker: sent to +91•••••3210")


@pytest.mark.parametrize("name", ["aiosqlite", "sqlalchemy.engine.Engine", "asyncio", "httpx", "uvicorn.error"])
def test_debugging_shows_no_parameters_of_sql_and_nothing_that_is_sent(name: str) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("DEBUG", "json")
        assert logging.getLogger("app").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


def test_configure(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure("WARNING", "json")
        logging.getLogger("x").warning("to +919876543210")
        logging.getLogger("x").info("not shown")
        logging.getLogger("httpx").info("not shown")
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    assert json.loads(capsys.readouterr().err)["text"] == "to +91•••••3210"
