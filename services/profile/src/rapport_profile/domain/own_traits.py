"""Traits that this service works out itself, or a trusted source tells: a web page may not say
that its visitor has the tier gold, which prices and segments go by.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from rapport_common.events.envelope import Event

OWN_TRAITS: Final = frozenset(
    {
        "groups",
        "loyalty_balance",
        "loyalty_pending",
        "loyalty_tier",
        "loyalty_tier_until",
        "loyalty_next_tier",
        "loyalty_next_tier_gap",
        "loyalty_next_expiry_at",
        "loyalty_next_expiry_points",
    }
)

Value = TypeVar("Value")


def sayable(event: Event, traits: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the traits of an event that its source may say."""
    if event.trust == "trusted" or OWN_TRAITS.isdisjoint(traits):
        return dict(traits)
    return {name: value for name, value in traits.items() if name not in OWN_TRAITS}
