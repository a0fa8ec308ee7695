"""Columns of an export of members: what there is to choose from, and what each says of somebody."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ComputedState, DefinedValue, IdentifierState
from rapport_common.exporting.columns import Kind, UnknownColumnError
from rapport_segment.domain.export_columns import USUAL, Member, columns_of, personal, read_for
from rapport_segment.domain.membership import Entry
from rapport_segment.domain.sections import (
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    IDENTIFIERS,
    TRAITS,
    Facts,
    Section,
    nobody,
)

ADA, ENTRY, SEGMENT = (UUID(int=number) for number in (1, 2, 3))
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAY = Entry("acme", SEGMENT, ADA, ENTRY, SINCE, 4, reason="orders 2 >= 1")
TOLD: dict[int, Any] = {
    IDENTIFIERS: [IdentifierState("user_id", "7"), IdentifierState("user_id", "8")],
    TRAITS: b'{"to": {"city": "Bonn"}, "price": 12.50, "none": null}',
    COMPUTED: ComputedState(
        orders=2,
        revenue={"EUR": "12.50"},
        last_order_at=SINCE,
        defined={"visits": DefinedValue(number="3")},
    ),
    CONTACT_POINTS: [
        ContactPoint(channel="sms", value="+491715550123", verified=True),
        ContactPoint(channel="email", value="ada@example.com", verified=False),
    ],
}
KNOWN = Member(STAY, Facts([Section(place, TOLD.get(place)) for place in range(6)]))
UNKNOWN = Member(STAY, nobody(str(ADA)))


def said(name: str, of: Member = KNOWN) -> Any:
    """What a column says, JSON as its text."""
    [column] = columns_of([name])
    assert column.name == name
    value = column.of(of)
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value


def test_a_stay_is_told_without_anything_that_is_known_of_the_person() -> None:
    assert [said(name) for name in USUAL] == [str(ADA), SINCE, "orders 2 >= 1", str(ENTRY), 4]
    assert [one.kind for one in columns_of(USUAL)] == [
        Kind.TEXT,
        Kind.TIME,
        Kind.TEXT,
        Kind.TEXT,
        Kind.NUMBER,
    ]
    assert (personal(USUAL), read_for(USUAL)) == ([], 0)


@pytest.mark.parametrize(
    ("name", "kind", "known", "unknown"),
    [
        ("identifiers.user_id", Kind.TEXTS, ["7", "8"], []),
        ("contact_points.email", Kind.TEXTS, ["ada@example.com"], []),
        # All channels of phone numbers have them in one place.
        ("contact_points.whatsapp", Kind.TEXTS, ["+491715550123"], []),
        ("traits.to.city", Kind.JSON, '"Bonn"', None),
        ("traits.price", Kind.JSON, "12.50", None),
        ("traits.none", Kind.JSON, None, None),
        ("computed.orders", Kind.NUMBER, 2, None),
        ("computed.last_order_at", Kind.TIME, SINCE, None),
        ("computed.first_order_at", Kind.TIME, None, None),
        ("computed.revenue", Kind.JSON, '{"EUR":12.50}', "{}"),
        ("computed.defined", Kind.JSON, '{"visits":3}', None),
        ("identifiers", Kind.JSON, '{"user_id":["7","8"]}', "{}"),
    ],
)
def test_what_a_column_says_of_somebody_and_of_whom_nothing_is_known(
    name: str, kind: Kind, known: Any, unknown: Any
) -> None:
    assert columns_of([name])[0].kind is kind
    assert said(name) == known
    assert said(name, UNKNOWN) == unknown


def test_numbers_stay_as_they_are_kept() -> None:
    assert said("traits") == '{"to":{"city":"Bonn"},"price":12.50,"none":null}'
    assert KNOWN.facts.traits["price"] == Decimal("12.50")


def test_each_column_comes_once_in_the_order_in_which_it_was_asked_for() -> None:
    names = ["traits.b", "id", "traits.a", "id", "traits.b"]
    assert [one.name for one in columns_of(names)] == ["traits.b", "id", "traits.a"]


def test_only_the_sections_are_read_that_columns_say_something_of() -> None:
    names = ["id", "traits.a", "consent", "traits", "computed.orders"]
    assert personal(names) == ["traits.a", "consent", "traits", "computed.orders"]
    assert read_for(names) == 1 << TRAITS | 1 << CONSENT | 1 << COMPUTED
    assert read_for(["identifiers.email"]) == 1 << IDENTIFIERS
    assert read_for(["contact_points.email"]) == 1 << CONTACT_POINTS


@pytest.mark.parametrize(
    "name", ["luck", "ID", "luck.a", "traits.", "consent.email", "computed.luck", "id.a"]
)
def test_what_is_no_column_is_named_with_those_that_there_are(name: str) -> None:
    with pytest.raises(UnknownColumnError) as refused:
        columns_of(["id", name])
    told = str(refused.value)
    assert told.startswith(f"'{name}' is no column. There are id, entered_at, ")
    assert ", identifiers, traits, computed, contact_points, consent, computed.events, " in told
    assert ", computed.revenue, computed.defined, and of each kind" in told
