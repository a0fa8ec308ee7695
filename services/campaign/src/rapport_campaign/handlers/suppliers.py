"""Who works out data that templates see beside the person, by the root of the variables."""

from collections.abc import Mapping

from rapport_campaign.handlers import pricing, recommending, slots
from rapport_campaign.handlers.supplying import Check, Supplier

SUPPLIERS: Mapping[str, Supplier] = {
    pricing.ROOT: pricing.supply,
    recommending.ROOT: recommending.supply,
}
CHECKS: Mapping[str, Check] = {pricing.ROOT: pricing.check, recommending.ROOT: slots.check}
"""Who looks at what texts speak of when they are saved."""
