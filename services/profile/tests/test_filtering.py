"""Which events are wanted, and how long which ones stay: pure functions of the event."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from services.profile.tests.people import START, event

from rapport_profile.domain.filtering import ANYTHING, Wanted
from rapport_profile.domain.groups.facts import happened_in
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.timeline_rules import (
    MAX_CLASSES,
    EventClass,
    TimelineRules,
    checked,
)

SAID = {
    "order_id": "o-1",
    "total": 12.50,
    "first": True,
    "coupon": None,
    "note": "true",
    "shipping": {"city": "Bern"},
    "products": [{"sku": "a", "tags": ["x", "y"]}, {"sku": "b"}, 7],
}
ORDER = event("1", name="Order Completed", user_id="U", said=SAID)


@pytest.mark.parametrize(
    ("wanted", "is_wanted"),
    [
        (ANYTHING, True),
        (Wanted(types=("track", "page")), True),
        (Wanted(types=("page",)), False),
        (Wanted(names=("Order Refunded", "Order Completed")), True),
        (Wanted(names=("order completed",)), False),
        (Wanted(source="shop"), True),
        (Wanted(group="acme"), False),
        (Wanted(source="till"), False),
        (Wanted(path="order_id", equals="o-1"), True),
        (Wanted(path="order_id", equals="o-2"), False),
        (Wanted(path="total", equals="12.5"), True),
        (Wanted(path="total", equals="12.500"), True),
        (Wanted(path="total", equals="much"), False),
        (Wanted(path="total", equals="1_2.5"), False),
        (Wanted(path="first", equals="true"), True),
        (Wanted(path="first", equals="1"), False),
        (Wanted(path="note", equals="true"), True),
        (Wanted(path="coupon", equals="null"), True),
        (Wanted(path="gone", equals="null"), False),
        (Wanted(path="shipping", equals="Bern"), False),
        (Wanted(path="shipping.city", equals="Bern"), True),
        (Wanted(path="shipping.city.name", equals="Bern"), False),
        (Wanted(path=r"shipping\.city", equals="Bern"), False),
        (Wanted(path="products.sku", equals="b"), True),
        (Wanted(path="products.tags", equals="y"), True),
        (Wanted(path="products.sku", equals="c"), False),
        (Wanted(types=("track",), path="order_id", equals="o-2"), False),
    ],
)
def test_an_event_is_wanted(wanted: Wanted, *, is_wanted: bool) -> None:
    assert wanted.has(ORDER) == is_wanted
    assert wanted.is_anything == (wanted is ANYTHING)


@pytest.mark.parametrize(
    "properties",
    [
        '{"order_id": "\\ud800"}',
        '{"order_id": 1e99999999999999999999}',
        '{"order_id": -1E+99999999999999999999}',
        f'{{"order_id": {"[" * 900}{"]" * 900}}}',
        f'{{"order_id": {"[" * 9000}{"]" * 9000}}}',
        '{"order_id": 123456789012345678901234567890}',
        '{"order_id": 0.1e-400}',
    ],
)
def test_properties_that_can_hardly_be_read_are_equal_to_nothing(properties: str) -> None:
    odd = msgspec.structs.replace(ORDER, properties=msgspec.Raw(properties.encode()))
    for equals in ("1", "o-1", "NaN", "sNaN", "Infinity", "1e999999"):
        assert not Wanted(path="order_id", equals=equals).has(odd)


def test_the_first_class_that_has_an_event_says_how_long_it_stays() -> None:
    rules = TimelineRules(
        (
            EventClass(names=("Order*", "Refund")),
            EventClass(days=90, types=("page", "screen")),
            EventClass(days=30),
        )
    )
    page = event("2", type="page", user_id="U")
    other = event("3", name="Refunded", user_id="U")
    assert [rules.days_of(one) for one in (ORDER, page, other)] == [None, 90, 30]
    assert rules.fewest_days == 30
    assert TimelineRules().fewest_days is None
    assert TimelineRules().days_of(page) is None
    after = START + timedelta(days=30)
    assert not rules.is_over(other, after)
    assert rules.is_over(other, after + timedelta(seconds=1))
    assert not rules.is_over(ORDER, after + timedelta(days=999))
    assert checked(rules) == rules


@pytest.mark.parametrize(
    ("classes", "where"),
    [
        ([EventClass(days=1)] * (MAX_CLASSES + 1), "classes"),
        ([EventClass(days=1), EventClass(days=2, types=("page",))], "classes.0"),
        ([EventClass(days=1, types=("click",))], "classes.0.types"),
        ([EventClass(days=1, names=("a",)), EventClass(days=2, names=("O*r",))], "classes.1.names"),
    ],
)
def test_rules_that_can_not_be(classes: list[EventClass], where: str) -> None:
    with pytest.raises(RulesError) as refused:
        checked(TimelineRules(tuple(classes)))
    assert refused.value.where == where


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        ({"context": {"groupId": "acme"}}, {"acme"}),
        ({"context": {"groupId": 7}}, {"7"}),
        ({"said": {"group_id": "acme"}, "context": {"groupId": "elm"}}, {"acme", "elm"}),
        ({"said": {"$groups": {"company": "acme", "team": 7}}}, {"acme", "7"}),
        ({"said": {"$groups": ["acme"]}}, set()),
        ({"said": {"$groups": {"company": ["acme"], "x": None}}}, set()),
        ({"context": {"groupId": "null"}, "said": {"groupId": "\0"}}, set()),
        ({}, set()),
    ],
)
def test_an_event_happened_in_the_groups_that_it_names(
    fields: dict[str, Any], groups: set[str]
) -> None:
    context = msgspec.Raw(msgspec.json.encode(fields.get("context", {})))
    made = event("m", user_id="U", name="Seen", said=fields.get("said", {}))
    one = msgspec.structs.replace(made, context=context)
    assert happened_in(one) == groups
    assert all(Wanted(group=group).has(one) for group in groups)
    assert not Wanted(group="other").has(one)
