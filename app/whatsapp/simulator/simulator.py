"""What goes on behind the routes: judges a request, lets fate or a script decide, accepts, and plans the statuses."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.whatsapp.simulator import errors, fate
from app.whatsapp.simulator.errors import GraphError
from app.whatsapp.simulator.ledger import AcceptedMessage, Ledger
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.poster import Poster
from app.whatsapp.simulator.scripts import Answer, ScriptedStatus, Step
from app.whatsapp.simulator.template import Template
from app.whatsapp.simulator.validation import Send, parse_send


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request that Meta would take really gets."""

    send: Send
    step: Step
    message: AcceptedMessage | None
    """None when it was not accepted after all."""


class Simulator:
    def __init__(self, options: SimulatorOptions, now: Callable[[], float]) -> None:
        """``now`` gives unix seconds. Raises ``BadInputError`` for a malformed template, ``OSError`` for the journal."""
        self.options = options
        self.now = now
        self.templates = {(each.name, each.language): each for each in map(Template.parse, options.templates)}
        self.ledger = Ledger(options.journal)
        self.poster = Poster(options)
        self.answers: Counter[str] = Counter()
        """Requests by the way they ended: an ``Answer``; refusals by code, such as ``REFUSE 131026``."""
        self._scripts: dict[str, deque[Step]] = {}
        self._earlier: Counter[str] = Counter()
        self._bucket = options.throttle or 0.0
        self._filled_at = now()
        self.add_scripts(options.scripts)

    def change(self, options: SimulatorOptions) -> None:
        self.options = options
        self.poster.change(options)

    def add_scripts(self, scripts: Mapping[str, Sequence[Step]]) -> None:
        """Replaces what was left of earlier scripts of these recipients."""
        self._scripts |= {phone: deque(steps) for phone, steps in scripts.items() if steps}

    def receive(self, raw: bytes) -> Reply:
        """Decides on one send request and books it. Raises ``GraphError`` when it is refused."""
        try:
            reply = self._receive(raw)
        except GraphError as error:
            self.answers[f"{Answer.REFUSE} {error.code}"] += 1
            raise
        self.answers[reply.step.answer] += 1
        return reply

    def _receive(self, raw: bytes) -> Reply:
        send = parse_send(raw, self.templates, self.options.display_phone_number)
        if max(len(self.ledger.messages), len(self._earlier)) >= self.options.capacity:
            raise GraphError(errors.SERVICE_DOWN, "The simulator is full; raise its capacity or start it anew.")
        step = self._next_step(send.recipient)
        if step.answer is Answer.REFUSE:
            raise GraphError(step.code, f"{errors.title(step.code)}.")
        if not step.accepts:
            return Reply(send, step, None)
        statuses = step.statuses
        if statuses is None:
            statuses = fate.statuses(self.options, send.recipient, held=step.answer is Answer.HELD)
        message = self._accept(send, statuses)
        if step.twice:
            self._accept(send, statuses)
        return Reply(send, step, message)

    def _accept(self, send: Send, statuses: tuple[ScriptedStatus, ...]) -> AcceptedMessage:
        message = self.ledger.accept(send, statuses, self.now())
        self.poster.push_statuses(message)
        return message

    def _next_step(self, recipient: str) -> Step:
        script = self._scripts.get(recipient)
        if not script:
            self._throttle()
        # Counted after throttling, which depends on time: fate must not.
        earlier = self._earlier[recipient]
        self._earlier[recipient] += 1
        if not script:
            return fate.decide(self.options, recipient, earlier)
        step = script.popleft()
        if not script:
            del self._scripts[recipient]
        return step

    def _throttle(self) -> None:
        """A bucket that holds one second's worth of messages."""
        rate = self.options.throttle
        if rate is None:
            return
        now = self.now()
        self._bucket = min(rate, self._bucket + max(0.0, now - self._filled_at) * rate)
        self._filled_at = now
        if self._bucket < 1:
            raise GraphError(errors.THROUGHPUT, "Cloud API message throughput has been reached.")
        self._bucket -= 1
