"""What RFM may be worked out of: which values, of which types, and bounds that go up."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from rapport_common.events.trait import TraitType
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rfm_rules import RfmRules, check
from rapport_segment.domain.subjects import Computed, Defined

TYPES: Mapping[str, TraitType] = {
    "visited_at": "time",
    "visits": "number",
    "spent": "money",
    "plan": "text",
}
USUAL: dict[str, Any] = {
    "recency": {"computed": "last_order_at"},
    "frequency": {"computed": "orders"},
    "monetary": {"computed": "revenue", "currency": "EUR"},
}


def rules(**other: Any) -> RfmRules:
    return RfmRules(**{**USUAL, **other})


def test_a_value_is_an_aggregate_or_a_trait_that_was_defined() -> None:
    usual = rules()
    check(usual, {})
    assert usual.source("recency") == Computed("last_order_at")
    assert usual.source("frequency") == Computed("orders")
    assert usual.source("monetary") == Computed("revenue", "EUR")
    own = rules(
        recency={"defined": "visited_at"},
        frequency={"defined": "visits"},
        monetary={"defined": "spent", "currency": "EUR"},
    )
    check(own, TYPES)
    assert own.source("recency") == Defined("visited_at")
    assert own.source("monetary") == Defined("spent", "EUR")
    check(rules(monetary={"defined": "visits"}), TYPES)


@pytest.mark.parametrize(
    ("dimension", "document", "message"),
    [
        ("recency", {"computed": "orders"}, "must be one of first_order_at, last_order_at"),
        ("frequency", {"computed": "last_order_at"}, "must be one of events, orders, open_cases"),
        ("monetary", {"computed": "orders"}, "must be revenue with its currency"),
        ("monetary", {"trait": "revenue"}, "or a computed trait of yours"),
    ],
)
def test_what_is_no_value_of_a_dimension_is_refused_with_those_that_are(
    dimension: str, document: dict[str, str], message: str
) -> None:
    with pytest.raises(RuleError, match=message) as refused:
        check(rules(**{dimension: document}), TYPES)
    assert refused.value.details == {"path": dimension}


@pytest.mark.parametrize(
    ("dimension", "document", "part", "message"),
    [
        ("recency", {"defined": "luck"}, "defined", "no computed trait 'luck' here; there are: pl"),
        ("recency", {"defined": "visits"}, "defined", "a number, and recency .* out of a time$"),
        ("frequency", {"defined": "plan"}, "defined", "a text, and frequency .* of a number$"),
        ("monetary", {"defined": "plan"}, "defined", "worked out of a number or money$"),
        ("monetary", {"defined": "spent"}, "currency", "spent needs a currency: it is money"),
        (
            "monetary",
            {"defined": "visits", "currency": "EUR"},
            "currency",
            "visits is a number, not money",
        ),
    ],
)
def test_a_trait_is_one_that_there_is_of_a_fitting_type_and_with_a_currency_if_it_is_money(
    dimension: str, document: dict[str, str], part: str, message: str
) -> None:
    with pytest.raises(RuleError, match=message) as refused:
        check(rules(**{dimension: document}), TYPES)
    assert refused.value.details == {"path": f"{dimension}.{part}"}


@pytest.mark.parametrize("bounds", [(1, 2, 2, 3), (1, 3, 2, 4)])
def test_bounds_go_up(bounds: tuple[int, ...]) -> None:
    check(rules(bounds={"recency": tuple(map(Decimal, (1, 2, 3, 4)))}), {})
    with pytest.raises(RuleError, match="must go up") as refused:
        check(rules(bounds={"monetary": tuple(map(Decimal, bounds))}), {})
    assert refused.value.details == {"path": "bounds.monetary"}
