"""The verdicts of rules in Python, and the words for them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from services.segment.tests.judging import NOON, kept, predicate, told, values

from rapport_common.events.profile import ComputedState, DefinedValue, IdentifierState, ProfileState
from rapport_segment.domain.explaining import MAX_REASON, explain, reason
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import Facts, exact, stored

STATE = ProfileState(
    identifiers=[IdentifierState("email", "ada@x.org"), IdentifierState("email", "a@y.org")],
    traits=msgspec.Raw(
        b'{"plan":"gold","age":36,"score":1.50,"vip":true,"gone":null,"tags":["a",1,true],"o":{},"one":1,'
        b'"written":"9","code":"007","release":"1.10","since":"2026-01-31T02:00:00Z",'
        b'"city":"Orl\\u00e9ans","email":"Ada@STRA\\u00dfE.example"}'
    ),
    computed=ComputedState(
        events=3,
        revenue={"USD": "512.30", "EUR": "broken"},
        last_seen_at=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        defined={
            "orders_in_90_days": DefinedValue(number="12"),
            "spent": DefinedValue(money={"USD": "99.90"}),
            "last_bought_at": DefinedValue(time=datetime(2026, 1, 1, tzinfo=UTC)),
            "favourite": DefinedValue(text="tea"),
            "viewed": DefinedValue(values=["tea", "pots"], bounded=True),
            "gap": DefinedValue(),
        },
    ),
)


def facts_of(state: ProfileState) -> Facts:
    facts = told(state)
    assert values(stored(kept(facts))) == values(facts)
    return facts


FACTS = facts_of(STATE)


def trait(name: str, op: str, *value: Any) -> dict[str, Any]:
    return {"trait": name, "op": op, **({"value": value[0]} if value else {})}


def usd(op: str, *value: Any) -> dict[str, Any]:
    found = {"computed": "revenue", "currency": "USD", "op": op}
    return {**found, **({"value": value[0]} if value else {})}


def seen(op: str, value: str) -> dict[str, Any]:
    return {"computed": "last_seen_at", "op": op, "value": value}


def email(op: str, *value: Any) -> dict[str, Any]:
    return {"identifier": "email", "op": op, **({"value": value[0]} if value else {})}


def defined(name: str, op: str, *value: Any, **currency: str) -> dict[str, Any]:
    return {"defined": name, "op": op, **currency, **({"value": value[0]} if value else {})}


HOLDS = [
    # Traits that the workspace has defined: numbers, money, times, texts, lists.
    defined("orders_in_90_days", "gte", 9),
    defined("orders_in_90_days", "lt", "100"),
    defined("spent", "gte", "99.90", currency="usd"),
    defined("spent", "not_exists", currency="EUR"),
    defined("last_bought_at", "lt", "2026-01-02"),
    defined("favourite", "in", ["tea", "coffee"]),
    defined("favourite", "starts_with", "te"),
    defined("viewed", "eq", "pots"),
    defined("gap", "not_exists"),
    defined("unknown", "not_exists"),
    trait("plan", "eq", "gold"),
    trait("plan", "ne", "silver"),
    trait("plan", "ne", 1),
    trait("plan", "gt", "bronze"),
    trait("plan", "in", ["gold", 1]),
    trait("plan", "contains", "ol"),
    {"and": [trait("plan", "exists"), {"or": [trait("never", "exists"), trait("age", "eq", 36)]}]},
    trait("plan", "starts_with", "go"),
    trait("age", "eq", 36),
    trait("age", "eq", 36.0),
    trait("age", "in", ["x", 36.0]),
    trait("score", "lt", 2),
    trait("score", "eq", 1.5),
    trait("vip", "eq", True),
    trait("vip", "ne", 1),
    trait("one", "ne", True),
    trait("tags", "contains", "a"),
    trait("tags", "contains", 1),
    # A list fits when one of its elements does.
    trait("tags", "in", ["vip", "a"]),
    trait("tags", "eq", "a"),
    trait("tags", "gte", 1),
    trait("tags", "ne", "vip"),
    # Numbers and booleans written as texts, on either side.
    trait("age", "eq", "36"),
    trait("age", "gte", "9"),
    trait("written", "lt", 18),
    trait("written", "lt", "18"),
    trait("written", "eq", 9),
    trait("written", "in", [8, 9]),
    trait("vip", "eq", "true"),
    trait("code", "eq", "007"),
    # One instant, whatever its offset; letters, however they are composed.
    trait("since", "eq", "2026-01-31T10:00:00+08:00"),
    trait("since", "lte", "2026-01-31 02:00:00Z"),
    trait("since", "gt", "2026-01-30"),
    trait("city", "eq", "Orle\u0301ans"),
    # Addresses in the form in which they are kept.
    trait("email", "eq", "ADA@Straße.example"),
    trait("email", "contains", "@Straße"),
    email("eq", " ADA@X.org"),
    email("in", ["nobody@x.org", "A@Y.ORG"]),
    email("starts_with", "ADA@"),
    email("contains", "@Y.Org"),
    {"identifier": "Email", "op": "eq", "value": "ada@x.org"},
    {"computed": "revenue", "currency": " usd ", "op": "gte", "value": "500"},
    {"computed": "events", "op": "gte", "value": "3"},
    trait("o", "exists"),
    trait("gone", "not_exists"),
    trait("never", "not_exists"),
    {"not": trait("never", "eq", "x")},
    usd("gte", "512.30"),
    usd("eq", 512.3),
    usd("lt", 513),
    {"computed": "revenue", "currency": "EUR", "op": "not_exists"},
    {"computed": "orders", "op": "eq", "value": 0},
    {"computed": "events", "op": "in", "value": [2, 3]},
    {"computed": "first_order_at", "op": "not_exists"},
    seen("eq", "2026-01-01"),
    seen("lt", "2026-01-01T00:00:00.000001Z"),
    email("exists"),
    email("eq", "a@y.org"),
    email("ne", "b@y.org"),
    email("starts_with", "ada"),
    email("contains", "@y"),
    email("in", ["nobody@x.org", "ada@x.org"]),
]
FAILS = [
    trait("plan", "eq", "Gold"),
    trait("plan", "lt", 5),
    trait("plan", "in", ["silver", True]),
    trait("age", "contains", "3"),
    trait("vip", "eq", 1),
    trait("one", "eq", True),
    trait("one", "in", [True]),
    trait("vip", "in", [1, "false"]),
    trait("vip", "gte", 1),
    trait("tags", "contains", "b"),
    trait("tags", "eq", "b"),
    trait("tags", "in", ["b", 2]),
    trait("tags", "ne", "a"),
    trait("code", "eq", 7),
    trait("release", "eq", "1.1"),
    trait("since", "gt", "2026-01-31T10:00:00+08:00"),
    trait("o", "contains", "a"),
    trait("gone", "exists"),
    trait("gone", "ne", "x"),
    trait("never", "ne", "x"),
    trait("never", "lt", 1),
    trait("never", "contains", ""),
    usd("gt", "512.30"),
    {"computed": "first_order_at", "op": "lt", "value": "2030-01-01"},
    seen("gt", "2026-01-01"),
    email("ne", "a@y.org"),
    email("not_exists"),
    {"identifier": "phone", "op": "ne", "value": "+49 170 12345678"},
    {"and": [trait("plan", "exists"), trait("never", "exists")]},
    # Neither a truth value nor an object has an order.
    trait("vip", "gte", 1),
    trait("vip", "lte", "x"),
    trait("o", "gt", "a"),
    trait("o", "in", ["a", 1]),
    {"or": [trait("gone", "exists"), trait("never", "exists")]},
]


@pytest.mark.parametrize("document", HOLDS, ids=str)
def test_it_holds(document: dict[str, Any]) -> None:
    assert predicate(parse(document))(FACTS) is True


@pytest.mark.parametrize("document", FAILS, ids=str)
def test_it_does_not_hold(document: dict[str, Any]) -> None:
    assert predicate(parse(document))(FACTS) is False


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (usd("gte", "500"), "revenue USD 512.30 >= 500"),
        (usd("gte", "600"), "revenue USD 512.30 not >= 600"),
        (trait("never", "eq", "x"), 'trait never missing, wanted = "x"'),
        (defined("spent", "gte", "50", currency="USD"), "spent USD 99.90 >= 50"),
        (defined("orders_in_90_days", "lt", 9), "orders_in_90_days 12 not < 9"),
        (trait("plan", "exists"), "trait plan exists"),
        (email("contains", "@y"), 'identifier email contains "@y"'),
        (
            {"and": [usd("gte", 500), trait("plan", "eq", "gold")]},
            'revenue USD 512.30 >= 500 and trait plan "gold" = "gold"',
        ),
        ({"and": [usd("gte", 500), trait("never", "exists")]}, "trait never missing"),
        ({"or": [trait("never", "exists"), usd("gte", 500)]}, "revenue USD 512.30 >= 500"),
        (
            {"or": [trait("never", "exists"), trait("gone", "exists")]},
            "trait never missing and trait gone missing",
        ),
        ({"not": trait("never", "exists")}, "trait never missing"),
        (
            {"not": {"or": [usd("lt", 1), trait("gone", "exists")]}},
            "revenue USD 512.30 not < 1 and trait gone missing",
        ),
    ],
)
def test_reasons(document: dict[str, Any], words: str) -> None:
    assert reason(parse(document), View(FACTS, NOON)) == words


def test_a_reason_is_bounded_and_keeps_addresses_to_itself() -> None:
    rule = parse({"and": [trait("plan", "ne", "x" * 900)] * 20})
    assert len(reason(rule, View(FACTS, NOON))) == MAX_REASON
    assert "ada" not in reason(parse(email("exists")), View(FACTS, NOON))


def test_every_comparison_is_explained() -> None:
    verdicts = explain(
        parse({"and": [usd("gte", 600), {"not": trait("plan", "exists")}]}), View(FACTS, NOON)
    )
    assert [(one.leaf.path, str(one.actual), one.result) for one in verdicts] == [
        ("and[0]", "512.30", False),
        ("and[1].not", "gold", True),
    ]


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        (b'{"a":"x\\u0000y"}', "a", "x�y"),
        (b'{"a\\u0000":1}', "a�", 1),
        (b'{"a":"\xff"}', "a", "�"),
        (b'{"a":1e999999999}', "a", None),
        (b'{"a":' + b"9" * 5000 + b"}", "a", None),
        (b'{"a":["x\\u0000",{"b":1e5000}]}', "a", ["x�", {"b": None}]),
        (b' {"a":1e100} ', "a", 10**100),
        (b'{"email":" Ada@X.ORG"}', "email", "ada@x.org"),
        (b'{"email":[" Ada@X.ORG",1,null]}', "email", ["ada@x.org", 1, None]),
        (b' {"email":5}', "email", 5),
        # Written like an instant, but there is no such day or hour.
        (b'{"a":"2026-02-30T10:00:00Z"}', "a", "2026-02-30T10:00:00Z"),
        (b'{"a":"2026-01-31 25:00"}', "a", "2026-01-31 25:00"),
        (b"[1]", "a", None),
        (b"null", "a", None),
    ],
)
def test_what_the_database_could_not_keep_is_made_storable(
    raw: bytes, name: str, value: object
) -> None:
    state = ProfileState(identifiers=[], traits=msgspec.Raw(raw), computed=ComputedState())
    assert facts_of(state).traits.get(name) == value


def test_numbers_of_a_rule_stay_exact() -> None:
    found = exact("[1.10, 0.1000000000000000055, 12345678901234567890]")
    assert [str(one) for one in found] == ["1.10", "0.1000000000000000055", "12345678901234567890"]


def test_times_and_amounts_that_make_no_sense_are_missing() -> None:
    edge = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    state = ProfileState(
        identifiers=[IdentifierState("email", "a\0b")],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(
            revenue={"USD": "Infinity", "X\0": "1"},
            first_seen_at=edge,
            last_seen_at=datetime(33, 1, 1, tzinfo=UTC),
        ),
    )
    facts = facts_of(state)
    assert facts.computed["revenue"] == {"X�": 1}
    assert "first_seen_at" not in facts.computed
    assert facts.computed["last_seen_at"] == "0033-01-01T00:00:00.000000Z"
    assert facts.identifiers == {"email": ["a�b"]}


@pytest.mark.parametrize("written", ["sp-1", "  sp-1 ", "sp-1\u200b"])
def test_an_id_of_a_rule_is_in_the_form_of_the_data(written: str) -> None:
    holder = facts_of(
        ProfileState(
            identifiers=[
                IdentifierState("user_id", "sp-1"),
                IdentifierState("user_id", "2026-01-31 10:00"),
            ],
            traits=msgspec.Raw(b"{}"),
            computed=ComputedState(),
        )
    )
    for value in (written, "2026-01-31 10:00"):
        assert predicate(parse({"identifier": "user_id", "op": "eq", "value": value}))(holder)
        assert predicate(parse({"identifier": "user_id", "op": "in", "value": [value]}))(holder)
