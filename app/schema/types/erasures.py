"""What an erasure leaves to say."""

from datetime import datetime

import strawberry

from app.schema.described import described


@described
@strawberry.type
class Erasure:
    """A guest or household of whom nothing personal is known any more."""

    id: strawberry.ID
    """The person or household that was erased."""
    erased_at: datetime
    """Since when."""
    replayed: bool
    """True when that had been done before."""
