"""The parser of rules: what it takes, and how it names what is wrong."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rules import MAX_DEPTH, MAX_NODES, parse
from rapport_segment.domain.subjects import Computed, Identifier, Trait
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule, is_same

GOLD = {"trait": "plan", "op": "eq", "value": "gold"}


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = GOLD
    for _ in range(levels - 1):
        document = {"not": document}
    return document


def test_a_tree_of_every_kind() -> None:
    rich = {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"}
    known = {"identifier": "email", "op": "exists"}
    assert parse({"and": [GOLD, {"or": [rich, {"not": known}]}]}) == And(
        (
            Leaf("and[0]", Trait("plan", ("plan",)), "eq", "gold"),
            Or(
                (
                    Leaf("and[1].or[0]", Computed("revenue", "USD"), "gte", Decimal(500)),
                    Not(Leaf("and[1].or[1].not", Identifier("email"), "exists", None)),
                )
            ),
        )
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "rule"),
        ({}, "rule"),
        ({"and": []}, "and"),
        ({"and": GOLD}, "and"),
        ({"and": [GOLD, {**GOLD, "op": "like"}]}, "and[1].op"),
        ({"and": [GOLD], "or": [GOLD]}, "rule"),
        ({"not": [GOLD]}, "not"),
        ({"or": [{"not": {**GOLD, "value": None}}]}, "or[0].not.value"),
        ({**GOLD, "currency": "USD"}, "rule"),
        ({**GOLD, "computed": "orders"}, "rule"),
        ({"trait": "", "op": "exists"}, "trait"),
        ({"trait": 1, "op": "exists"}, "trait"),
        ({"trait": "plan", "op": "eq"}, "value"),
        ({"trait": "plan", "op": "exists", "value": True}, "value"),
        ({"trait": "plan", "op": "in", "value": "gold"}, "value"),
        ({"trait": "plan", "op": "in", "value": []}, "value"),
        ({"trait": "plan", "op": "in", "value": ["gold", {}]}, "value[1]"),
        ({"trait": "plan", "op": "gt", "value": True}, "value"),
        ({"trait": "plan", "op": "starts_with", "value": 1}, "value"),
        ({"trait": "email", "op": "starts_with", "value": 1}, "value"),
        ({"trait": "plan", "op": "eq", "value": "a\0b"}, "value"),
        ({"trait": "plan", "op": "eq", "value": "\ud800"}, "value"),
        ({"trait": "plan", "op": "eq", "value": "x" * 1001}, "value"),
        ({"trait": "plan", "op": "eq", "value": float("nan")}, "value"),
        ({"trait": "plan", "op": "eq", "value": 10**400}, "value"),
        ({"computed": "age", "op": "exists"}, "computed"),
        ({"computed": "orders", "op": "contains", "value": 1}, "op"),
        ({"computed": "orders", "op": "gte", "value": "one"}, "value"),
        ({"computed": "orders", "op": "in", "value": [1, ""]}, "value[1]"),
        ({"computed": "orders", "op": "gte", "value": True}, "value"),
        ({"computed": "orders", "currency": "USD", "op": "exists"}, "rule"),
        ({"computed": "revenue", "op": "gte", "value": "1"}, "currency"),
        ({"computed": "revenue", "currency": "EURO", "op": "gte", "value": "1"}, "currency"),
        ({"computed": "revenue", "currency": 5, "op": "gte", "value": "1"}, "currency"),
        ({"computed": "revenue", "currency": "USD", "op": "gte", "value": "1e3"}, "value"),
        ({"computed": "revenue", "currency": "USD", "op": "gte", "value": "NaN"}, "value"),
        ({"computed": "last_seen_at", "op": "gt", "value": "2026-01-01T00:00:00"}, "value"),
        ({"computed": "last_seen_at", "op": "gt", "value": "yesterday"}, "value"),
        ({"computed": "last_seen_at", "op": "gt", "value": "0001-01-01T00:00:00+05:00"}, "value"),
        ({"identifier": "email", "op": "gt", "value": "a"}, "op"),
        ({"identifier": "email", "op": "eq", "value": 1}, "value"),
        ({"identifier": "\t", "op": "exists"}, "identifier"),
        ({"identifier": "phone", "op": "eq", "value": "0170 12345678"}, "value"),
        ({"identifier": "phone", "op": "eq", "value": 49}, "value"),
        ({"identifier": "user_id", "op": "eq", "value": "\u200b"}, "value"),
        ({"identifier": "email", "op": "in", "value": ["a@x.org", "ada"]}, "value[1]"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(document: object, path: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(document)
    assert caught.value.details == {"path": path}
    assert caught.value.message.startswith(f"{path}: ")


def test_instants_are_brought_to_one_form() -> None:
    def value(text: str) -> object:
        rule = parse({"computed": "last_seen_at", "op": "gte", "value": text})
        assert isinstance(rule, Leaf)
        return rule.value

    assert value("2026-01-01") == "2026-01-01T00:00:00.000000Z"
    assert value("2026-01-01T02:00:00.5+02:00") == "2026-01-01T00:00:00.500000Z"


def test_depth_and_size_have_limits() -> None:
    parse(nested(MAX_DEPTH))
    with pytest.raises(RuleError, match="levels deep"):
        parse(nested(MAX_DEPTH + 1))
    parse({"or": [GOLD] * (MAX_NODES - 1)})
    with pytest.raises(RuleError, match="nodes"):
        parse({"or": [GOLD] * MAX_NODES})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["and", "or", "not", "trait", "computed", "op", "value", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_anything_else_is_refused_and_never_breaks(document: object) -> None:
    with suppress(RuleError):
        parse(document)


def test_a_rule_on_true_is_not_one_on_1() -> None:
    """Python takes the two for equal, wherever in a rule they stand."""

    def rule(value: object) -> Rule:
        flagged = {"trait": "vip", "op": "eq", "value": value}
        listed = {"trait": "vip", "op": "in", "value": ["a", value]}
        return parse({"or": [{"not": flagged}, listed]})

    assert rule(1) == rule(True)
    assert not is_same(rule(1), rule(True))
    assert is_same(rule(True), rule(True))
    assert is_same(rule(1), rule(1))
    assert not is_same(rule(1), parse({"trait": "vip", "op": "eq", "value": 1}))
