"""Who works out data that templates see beside the person, by the root of the variables."""

from collections.abc import Mapping

from rapport_campaign.domain.feeds import ROOT as FEED
from rapport_campaign.handlers import feeds, pricing, recommending, slots
from rapport_campaign.handlers.supplying import Check, Supplier

SUPPLIERS: Mapping[str, Supplier] = {
    pricing.ROOT: pricing.supply,
    recommending.ROOT: recommending.supply,
}
CHECKS: Mapping[str, Check] = {
    pricing.ROOT: pricing.check,
    recommending.ROOT: slots.check,
    FEED: feeds.check,
}
"""Who looks at what texts speak of when they are saved; feeds are asked later (ADR 85)."""
