"""Scripts: a test, or a user, says exactly what the next requests for one recipient get."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from app.domain.errors import BadInputError

PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_STATUS = re.compile(r"[a-z_]{1,32}", re.ASCII)


class Answer(StrEnum):
    """How one send request ends, as its sender sees it."""

    OK = "OK"
    """200 with a message id."""
    HELD = "HELD"
    """200 with a message id and ``held_for_quality_assessment``."""
    NO_ID = "NO_ID"
    """200 with JSON that names no message."""
    GARBAGE = "GARBAGE"
    """200 with something that is not JSON."""
    EMPTY = "EMPTY"
    """200 with nothing in it."""
    REFUSE = "REFUSE"
    """Meta's error envelope with ``code``."""
    ERROR_HTML = "ERROR_HTML"
    """500 with the page of a gateway."""
    ERROR_JSON = "ERROR_JSON"
    """500 with Meta's error envelope and ``code`` (131000 when 0)."""
    HANG = "HANG"
    """Nothing, until the sender gives up or ``hang_limit`` has passed."""
    CUT = "CUT"
    """The connection is closed in the middle of the answer."""


_ALWAYS_ACCEPTED = {Answer.OK, Answer.HELD, Answer.NO_ID}
_USUALLY_REFUSED = {Answer.REFUSE, Answer.ERROR_HTML, Answer.ERROR_JSON}


class ScriptedStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A status of an accepted message. Any lower-case word is allowed: a receiver has to survive unknown ones."""

    status: str
    code: int = 0
    """Error code of a ``failed``."""

    def __post_init__(self) -> None:
        if not _STATUS.fullmatch(self.status):
            raise BadInputError(
                "A status is a lower-case word such as sent, delivered, read or failed.", field="status"
            )
        if (self.status == "failed") != (self.code > 0):
            raise BadInputError("A failed status needs a code above 0, and no other status has one.", field="code")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request for a recipient gets, and what follows."""

    answer: Answer = Answer.OK
    code: int = 0
    """Error code of REFUSE and ERROR_JSON."""
    accepted: bool | None = None
    """Whether the message is really taken. None: as the answer suggests (not for REFUSE and ERROR_*, else yes)."""
    twice: bool = False
    """Meta takes the message a second time, under a second id with the same statuses: must never be, and must be seen."""
    statuses: tuple[ScriptedStatus, ...] | None = None
    """Posted in this order when the message is taken; None: as the seed decides."""

    def __post_init__(self) -> None:
        if self.answer in _ALWAYS_ACCEPTED and self.accepted is False:
            raise BadInputError(f"{self.answer} always accepts; leave accepted out.", field="accepted")
        if self.answer is Answer.REFUSE and (self.accepted or self.code <= 0):
            raise BadInputError("REFUSE needs a code above 0 and never accepts.", field="code")
        if self.twice and not self.accepts:
            raise BadInputError("What is not accepted cannot be accepted twice.", field="twice")

    @property
    def accepts(self) -> bool:
        return self.answer not in _USUALLY_REFUSED if self.accepted is None else self.accepted


def check_scripts(scripts: Mapping[str, Sequence[Step]]) -> None:
    """Raises ``BadInputError`` for a key that no recipient could match."""
    if not all(PHONE.fullmatch(phone) for phone in scripts):
        raise BadInputError("scripts are keyed by phone numbers in E.164, such as +16505550101.", field="scripts")
