"""All use cases of one process, built once by the composition root and shared by GraphQL, HTTP, worker and CLI."""

from dataclasses import dataclass

from app.db.engine import Database
from app.services.blocks import Blocks
from app.services.erasure import Erasures
from app.services.events import Events
from app.services.exports import Exports
from app.services.figures import Watch
from app.services.guests import Guests
from app.services.health import Health
from app.services.intake import Intake
from app.services.live import Live
from app.services.prechecks import Prechecks
from app.services.reading import Reader
from app.services.runs import Runs
from app.services.sends import Sends
from app.services.templates import Templates
from app.services.webhooks import Webhooks
from app.services.workspaces import Workspaces


@dataclass(frozen=True, slots=True)
class Services:
    db: Database
    number_id: str | None
    """The number that this process sends from; None when Meta is not configured."""
    send_rate: float
    """Messages a second that the number may send, before Meta slows it down."""
    workspaces: Workspaces
    events: Events
    guests: Guests
    blocks: Blocks
    erasures: Erasures
    templates: Templates
    prechecks: Prechecks
    sends: Sends
    runs: Runs
    webhooks: Webhooks
    intake: Intake
    """The one way of webhooks into ``webhooks``: in groups."""
    reader: Reader
    live: Live
    health: Health
    exports: Exports
    figures: Watch
