"""What the simulator can be told: who it is, and how often things go wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from app.domain.errors import BadInputError
from app.whatsapp.simulator.scripts import Step, check_scripts
from app.whatsapp.simulator.templates import DEFAULT_TEMPLATES

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class SimulatorOptions:
    """A share is a number from 0 to 1; a time is in seconds. Raises ``BadInputError`` that names the wrong field.

    Refusals and final outcomes depend on ``seed`` and recipient alone, transport faults also on how many requests
    the recipient had before (see ``fate``): the same input gets the same answers in whatever order it arrives.
    """

    access_token: str = field(repr=False)
    """The bearer that every request must carry, those to ``/_simulator/`` too."""
    app_secret: str = field(repr=False)
    """Signs the webhooks."""
    phone_number_id: str = "100000000000001"
    waba_id: str = "200000000000001"
    display_phone_number: str = "15550100001"
    """Digits, as in webhooks. A message to this number is refused (131021)."""
    verified_name: str = "Wedding Invites (simulated)"
    quality_rating: str = "GREEN"
    messaging_limit: str = "TIER_10K"
    number_status: str = "CONNECTED"
    can_send: str = "AVAILABLE"
    """Meta's verdict on the number: AVAILABLE, LIMITED or BLOCKED. Only told; sends are taken all the same."""
    templates: Sequence[JsonObject] = DEFAULT_TEMPLATES
    """In the shape of ``GET message_templates``."""
    seed: int = 1

    latency: float = 0.0
    """Mean time from acceptance to the answer; a status may be posted before it."""
    latency_jitter: float = 0.0
    """The time above varies by this much either way."""
    refuse_codes: Mapping[int, float] = field(default_factory=dict)
    """Code -> share of the recipients whose every request is refused with it."""
    hang: float = 0.0
    """Share of requests that are accepted and never answered."""
    hang_before: float = 0.0
    """Share of requests that are never answered and not accepted either."""
    hang_limit: float = 120.0
    """An unanswered connection is cut after this time, so that the process can end."""
    cut: float = 0.0
    """Share of requests that are accepted and whose answer is cut off (half) or not JSON (half)."""
    server_errors: float = 0.0
    """Share of requests that get a 500: half of them HTML, half JSON."""
    server_errors_accepted: float = 0.0
    """Share of those 500s whose message was accepted all the same."""
    held: float = 0.0
    """Share of accepted messages that are held for quality assessment first."""
    held_dropped: float = 0.0
    """Share of the held that are dropped in the end (failed with 132015)."""
    throttle: float | None = None
    """Messages per second, also the largest burst; 130429 over it. Scripted requests are exempt."""
    scripts: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    """Recipient (E.164) -> what each successive request gets; chance decides again when they are used up."""
    capacity: int = 500_000
    """Most messages and recipients kept in memory. Past it, requests get code 2."""
    journal: Path | None = None
    """File that gets one JSON line per accepted message, before the answer. Holds full phone numbers."""

    webhook_url: str | None = None
    """Where statuses go; None posts nothing."""
    fail_codes: Mapping[int, float] = field(default_factory=dict)
    """Code -> share of the recipients whose accepted messages fail with it."""
    delivered_share: float = 1.0
    """Share of the messages that do not fail and get past ``sent``."""
    read_share: float = 0.5
    """Share of the delivered that are read."""
    delivered_omitted: float = 0.05
    """Share of the read whose ``delivered`` Meta never posts."""
    omit_biz_data_on_failed: bool = False
    """Leave ``biz_opaque_callback_data`` out of failed statuses; Meta's older text promises it for the others only."""
    status_delay: float = 0.5
    """Mean time from acceptance to the first status and from one status to the next."""
    status_spread: float = 0.5
    """Share of ``status_delay`` by which it varies either way."""
    duplicates: float = 0.0
    """Share of statuses posted twice, the second up to ``late`` later."""
    disorder: float = 0.0
    """Share of statuses posted up to ``late`` later than they happened, so that others overtake them."""
    late: float = 2.0
    loss: float = 0.0
    """Share of statuses never posted."""
    batch: int = 100
    """Most updates in one POST; Meta's own limit is 1,000."""
    linger: float = 0.05
    """Statuses are gathered for this long before they are posted."""
    concurrency: int = 4
    """Most POSTs at a time. Only with 1 (and no disorder) do statuses arrive in order for certain."""
    post_timeout: float = 20.0
    post_attempts: int = 100
    """A POST that is not answered with 200 is repeated until it was tried this often."""
    retry_first: float = 0.2
    """Pause before the first repetition; it doubles each time."""
    retry_longest: float = 5.0

    def __post_init__(self) -> None:
        for name in ("access_token", "app_secret", "phone_number_id", "waba_id", "display_phone_number"):
            if not getattr(self, name):
                raise BadInputError(f"{name} must not be empty.", field=name)
        for name in _SHARES:
            _check(0 <= getattr(self, name) <= 1, f"{name} is a share: give a number from 0 to 1.", name)
        for name in _TIMES:
            _check(0 <= getattr(self, name) <= 3600, f"{name} is in seconds: give a number from 0 to 3600.", name)
        for name in ("refuse_codes", "fail_codes"):
            shares = getattr(self, name)
            _check(
                all(code > 0 for code in shares)
                and all(share >= 0 for share in shares.values())
                and sum(shares.values()) <= 1 + 1e-9,
                f"{name} maps error codes to shares that add up to 1 at most.",
                name,
            )
        faults = self.hang + self.hang_before + self.cut + self.server_errors
        _check(faults <= 1 + 1e-9, "hang, hang_before, cut and server_errors add up to 1 at most.", "hang")
        _check(self.throttle is None or self.throttle >= 1, "throttle is at least 1 message per second.", "throttle")
        _check(1 <= self.batch <= 1000, "batch is from 1 to 1000, Meta's limit.", "batch")
        _check(1 <= self.concurrency <= 256, "concurrency is from 1 to 256.", "concurrency")
        _check(self.post_attempts >= 1, "post_attempts is at least 1.", "post_attempts")
        _check(self.capacity >= 1, "capacity is at least 1.", "capacity")
        url = self.webhook_url
        _check(url is None or url.startswith(("http://", "https://")), "webhook_url is an http(s) URL.", "webhook_url")
        check_scripts(self.scripts)


_SHARES = (
    "hang", "hang_before", "cut", "server_errors", "server_errors_accepted", "held", "held_dropped",
    "delivered_share", "read_share", "delivered_omitted", "status_spread", "duplicates", "disorder", "loss",
)  # fmt: skip
_TIMES = (
    "latency", "latency_jitter", "hang_limit", "status_delay", "late", "linger",
    "post_timeout", "retry_first", "retry_longest",
)  # fmt: skip
# What a running simulator is, as against how it behaves: changing these under its clients would only confuse.
_FIXED = {
    "access_token", "app_secret", "phone_number_id", "waba_id", "display_phone_number", "templates", "seed", "scripts",
    "capacity", "journal",
}  # fmt: skip


def _check(holds: bool, message: str, name: str) -> None:
    if not holds:
        raise BadInputError(message, field=name)


def changed(options: SimulatorOptions, raw: bytes) -> SimulatorOptions:
    """The options with a JSON object of new values applied. Raises ``BadInputError``, and then nothing has changed."""
    hints = get_type_hints(SimulatorOptions)
    known = {each.name for each in fields(SimulatorOptions)} - _FIXED
    name = "options"
    values: dict[str, Any] = {}
    try:
        for name, value in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items():
            _check(name in known, f"{name[:50]!r} cannot be changed while the simulator runs.", name)
            values[name] = msgspec.json.decode(value, type=hints[name])
    except msgspec.DecodeError as error:
        raise BadInputError(f"{name}: {error}", field=name) from None
    return replace(options, **values)
