"""Who works out data that templates see beside the person, by the root of the variables."""

from collections.abc import Mapping

from rapport_campaign.handlers import recommending
from rapport_campaign.handlers.supplying import Supplier

SUPPLIERS: Mapping[str, Supplier] = {recommending.ROOT: recommending.supply}
