"""Who works out data that templates see beside the person, by the root of the variables."""

from collections.abc import Mapping

from rapport_campaign.handlers import pricing
from rapport_campaign.handlers.supplying import Check, Supplier

SUPPLIERS: Mapping[str, Supplier] = {pricing.ROOT: pricing.supply}
CHECKS: Mapping[str, Check] = {pricing.ROOT: pricing.check}
"""Who looks at what texts speak of when they are saved."""
