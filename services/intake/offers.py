"""Where a level of care is to be had that this program doesn't give. Nothing is disclosed by it."""

from services.intake.messages import ReferralOffer
from services.intake.settings import Settings


def offered_by(level: str, settings: Settings) -> tuple[ReferralOffer, ...]:
    """The partners that offer this level, by their identifier and kind."""
    found = [each for each in settings.partners if level in each.offers and each.kind != "mutual-help-group"]
    return tuple(ReferralOffer(each.identifier, each.kind) for each in found)
