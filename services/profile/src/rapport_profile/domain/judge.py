"""By what a workspace's events are read: its rules for traits and for consents."""

import msgspec

from rapport_profile.domain.consent_rules import NO_CONSENT_RULES, ConsentRules
from rapport_profile.domain.trait_rules import NO_TRAIT_RULES, TraitJudge


class Judge(msgspec.Struct, frozen=True):
    """What counts of what is said."""

    traits: TraitJudge = NO_TRAIT_RULES
    consents: ConsentRules = NO_CONSENT_RULES


AS_SAID = Judge()
"""Of every trait the latest value counts, and of every consent the latest word."""
