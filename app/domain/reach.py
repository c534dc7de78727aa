"""Where WhatsApp delivers, by country and for marketing templates by area code; and to how many in a day.

Sources: Meta, "Per-user marketing template message limits" (marketing templates to numbers with a United States area code
are not delivered since 2025-04-01; Canada and the Caribbean share +1 and are not affected) and Meta's list of sanctioned
countries. Crimea, Donetsk and Luhansk cannot be told by number.
"""

from app.domain.enums import TemplateCategory
from app.domain.phone import country_of

SANCTIONED = frozenset({"CU", "IR", "KP", "SY"})
_SANCTIONED_CODES = ("+53", "+98", "+850", "+963")


def is_reachable(phone: str, category: TemplateCategory) -> bool:
    """False when Meta would take the message and never deliver it."""
    if phone.startswith("+1"):
        return category is not TemplateCategory.MARKETING or country_of(phone) != "US"
    # The prefix first: asking libphonenumber for every one of 100,000 guests would take seconds.
    return not (phone.startswith(_SANCTIONED_CODES) and country_of(phone) in SANCTIONED)


def daily_limit(tier: str | None) -> int | None:
    """Guests to whom Meta lets an account start a conversation within 24 hours, by its word for it (``TIER_250``,
    ``TIER_2K`` …); None for unlimited and unknown. Source: Meta, "Messaging limits".
    """
    amount = (tier or "").removeprefix("TIER_")
    if not amount.isascii():
        return None
    if amount.endswith("K") and amount[:-1].isdecimal():
        return int(amount[:-1]) * 1000
    return int(amount) if amount.isdecimal() else None
