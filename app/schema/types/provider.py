"""The number that sends."""

from datetime import datetime

import strawberry

from app.db.tables import NumberRow
from app.domain.reach import daily_limit
from app.schema.described import described


@described
@strawberry.type
class ProviderStatus:
    """Meta's phone number as last seen."""

    configured: bool
    """False: there is no number to send from."""
    simulated: bool
    """True: what looks like Meta is the simulator; nobody gets a real message."""
    display_phone: str | None
    """The number as guests see it."""
    verified_name: str | None
    """The name that guests see."""
    quality_rating: str | None
    """Meta's word: GREEN, YELLOW, RED or UNKNOWN."""
    messaging_limit: str | None
    """Meta's word for how many recipients the number may reach in 24 hours."""
    daily_limit: int | None
    """The same as a number, for all numbers of the account together; null: unlimited, or not known."""
    synced_at: datetime | None
    """When Meta was last asked about the number; meanwhile it tells changes by itself."""
    send_rate: float
    """Messages a second that may go out at the moment; Meta's brakes lower it for a while."""
    paused: bool
    """True: nothing goes out; see pausedReason."""
    paused_reason: str | None
    """Why, and what to do."""
    last_webhook_at: datetime | None
    """When Meta last posted something."""

    @classmethod
    def of(cls, row: NumberRow | None, *, send_rate: float) -> "ProviderStatus":
        if row is None:
            return cls(
                configured=False,
                simulated=False,
                display_phone=None,
                verified_name=None,
                quality_rating=None,
                messaging_limit=None,
                daily_limit=None,
                synced_at=None,
                send_rate=0.0,
                paused=False,
                paused_reason=None,
                last_webhook_at=None,
            )
        return cls(
            configured=True,
            simulated=row.simulated,
            display_phone=row.display_phone,
            verified_name=row.verified_name,
            quality_rating=row.quality_rating,
            messaging_limit=row.messaging_limit,
            daily_limit=daily_limit(row.messaging_limit),
            synced_at=row.synced_at,
            send_rate=send_rate * row.rate_share,
            paused=row.paused,
            paused_reason=row.paused_reason,
            last_webhook_at=row.last_webhook_at,
        )
