"""Rules as one line: read back they are the same, and a mistake is named by its column."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.generating import Chance
from services.segment.tests.test_condition import RULES

from rapport_common.testing.examples import examples
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.printing import line
from rapport_segment.domain.reading import LineError, read
from rapport_segment.domain.rules import parse


@settings(max_examples=examples(300))
@given(document=RULES)
def test_what_is_printed_is_read_as_the_same_rule(document: dict[str, Any]) -> None:
    rule = parse(document)
    assert parse(read(line(rule))) == rule


@given(seed=st.integers(0, 2**63))
def test_so_is_what_moves_with_time(seed: int) -> None:
    rule = parse(Chance(seed).rule())
    assert parse(read(line(rule))) == rule


@given(st.text(alphabet='aornd ()"=<>!1.,-+\\\n', max_size=40) | st.text(max_size=20))
def test_any_text_is_a_rule_or_a_mistake_with_its_column(text: str) -> None:
    try:
        parse(read(text))
    except LineError as error:
        column = error.details["column"]
        assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize(
    "line_",
    [
        "age >= 1e999999999",
        "age >= -1e9999999999999999999",
        "revenue USD >= 1e999999999",
        "orders in (1, 1e99999999999)",
        'bucket "a" from 0 to 1e999999999',
        'count("Ping") >= 1e999999999999',
        "age >= 1e-99999999999999999999",
    ],
)
def test_numbers_of_any_size_are_rules_or_mistakes(line_: str) -> None:
    with pytest.raises(RuleError):
        parse(read(line_))


ID = "01a22947-d1de-7294-96aa-7a623b834ab5"
IN = {"segment": ID}
ON = {"list": ID}
WEEKLY = {"last": "E", "property": "a", "op": "in", "value": ["x", "y"]}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
ORDERS = {"computed": "orders", "op": "gte", "value": 2}
FREE = {"trait": "plan", "op": "eq", "value": "free"}


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('group("company")', {"group": "company"}),
        ('case("open")', {"case": "open"}),
        (
            'not case("any", state = "closed", since < now - 7d)',
            {
                "not": {
                    "case": "any",
                    "where": [
                        {"property": "state", "op": "eq", "value": "closed"},
                        {"property": "since", "op": "lt", "value": {"now": "-7d"}},
                    ],
                }
            },
        ),
        (
            'group = "x" and group("company", plan = "gold", seats > 100, ends within next 30d)',
            {
                "and": [
                    {"trait": "group", "op": "eq", "value": "x"},
                    {
                        "group": "company",
                        "where": [
                            {"property": "plan", "op": "eq", "value": "gold"},
                            {"property": "seats", "op": "gt", "value": 100},
                            {"property": "ends", "op": "within", "value": {"next": "30d"}},
                        ],
                    },
                ]
            },
        ),
        ('orders >= 2 and not plan = "free"', {"and": [ORDERS, {"not": FREE}]}),
        ('plan="gold" or orders>=2 and plan = "free"', {"or": [GOLD, {"and": [ORDERS, FREE]}]}),
        (
            '(plan = "gold" or orders >= 2) and plan = "free"',
            {"and": [{"or": [GOLD, ORDERS]}, FREE]},
        ),
        ("and (orders >= 2)", {"and": [ORDERS]}),
        (f'list "{ID}" and not list "{ID}"', {"and": [ON, {"not": ON}]}),
        ('score rfm_tier = "new"', {"score": "rfm_tier", "op": "eq", "value": "new"}),
        ("score rfm_recency >= 4", {"score": "rfm_recency", "op": "gte", "value": 4}),
        ('answer nps = "passive"', {"answer": "nps", "op": "eq", "value": "passive"}),
        (f'answer nps of "{ID}" <= 6', {"answer": "nps", "survey": ID, "op": "lte", "value": 6}),
        (
            "answer nps within last 90d",
            {"answer": "nps", "op": "within", "value": {"last": "90d"}},
        ),
        (
            'nth(2 of size of "A", a = 1) within 7d > 3',
            {
                "nth": "A",
                "n": 2,
                "property": "size",
                "where": [{"property": "a", "op": "eq", "value": 1}],
                "within": {"last": "7d"},
                "op": "gt",
                "value": 3,
            },
        ),
        (
            'max(property "of" of "A", property "size" >= 2) >= 3',
            {
                "max": "A",
                "property": "of",
                "where": [{"property": "size", "op": "gte", "value": 2}],
                "op": "gte",
                "value": 3,
            },
        ),
        ('last(of of "A") missing', {"last": "A", "property": "of", "op": "not_exists"}),
        ('last(a of "E") within this week in ("x", "y")', {**WEEKLY, "within": {"this": "week"}}),
        (
            'last(a of "E") within this week in UTC in ("x", "y")',
            {**WEEKLY, "within": {"this": "week", "zone": "UTC"}},
        ),
        ('trait "answer" exists', {"trait": "answer", "op": "exists"}),
        ('trait "list" exists', {"trait": "list", "op": "exists"}),
        (
            "revenue EUR >= 12.5",
            {"computed": "revenue", "currency": "EUR", "op": "gte", "value": 12.5},
        ),
        (
            "last_order_at within last 30d",
            {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}},
        ),
        (
            "address.since < now - 3mo",
            {"trait": "address.since", "op": "lt", "value": {"now": "-3mo"}},
        ),
        (
            'born anniversary next 7d in "Asia/Tokyo"',
            {"trait": "born", "op": "anniversary", "value": {"next": "7d", "zone": "Asia/Tokyo"}},
        ),
        ("since within this month", {"trait": "since", "op": "within", "value": {"this": "month"}}),
        ("size of tags > 3", {"trait": "tags", "of": "size", "op": "gt", "value": 3}),
        (
            'all of tags in ("a", -1, true)',
            {"trait": "tags", "of": "all", "op": "in", "value": ["a", -1, True]},
        ),
        ('trait "orders" missing', {"trait": "orders", "op": "not_exists"}),
        ("defined spent EUR exists", {"defined": "spent", "currency": "EUR", "op": "exists"}),
        ("defined spent exists", {"defined": "spent", "op": "exists"}),
        ("reachable by email for survey", {"reachable": "email", "purpose": "survey"}),
        (
            "contact_point sms verified exists",
            {"contact_point": "sms", "verified": True, "op": "exists"},
        ),
        ('consent email != "denied"', {"consent": "email", "op": "ne", "value": "denied"}),
        (f'segment "{ID}" and not segment "{ID}"', {"and": [IN, {"not": IN}]}),
        ('bucket "spring" from 0 to 10.5', {"bucket": "spring", "from": 0, "to": 10.5}),
    ],
)
def test_how_rules_are_written(text: str, document: dict[str, Any]) -> None:
    rule = parse(document)
    assert parse(read(text)) == rule
    assert parse(read(line(rule))) == rule


def test_a_segment_in_a_rule_is_printed_by_its_id() -> None:
    assert line(parse({"not": IN})) == f'not segment "{ID}"'


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("x" * 200_001, 200_000),
        ("trait 5 exists", 7),
        ("since < now - x", 15),
        ("in >= 2 and size = 1", 18),
        ("any of and exists", 8),
        ("to >= 2 and any >= 1", 17),
        ("", 1),
        ("orders", 7),
        ("orders >= ", 11),
        ('orders >= "x"', 11),
        ("orders >= 2 and", 16),
        ("orders >= 2 orders", 13),
        ("(orders >= 2", 13),
        ("plan = gold", 8),
        ("plan = 'gold'", 8),
        ('plan = "\\q"', 8),
        ("orders within last 30d", 1),
        ("since within last 10000d", 14),
        ("since within last 0d", 14),
        ("since within last", 18),
        ('since within this month in "Mars"', 14),
        ('plan = "a" and contact_point pigeon exists', 16),
        ("all >= 2", 5),
        ("not " * 41 + "orders >= 2", 161),
        ("count(Ordered) >= 2", 7),
        ('sequence("A" then "B" within 2)', 30),
        ("; DROP TABLE segment.person", 1),
    ],
)
def test_a_mistake_is_named_by_its_column(text: str, column: int) -> None:
    with pytest.raises(LineError) as caught:
        read(text)
    assert caught.value.details["column"] == column
    assert isinstance(caught.value, RuleError)
