"""Long lists in traits give the same verdicts as short ones, whatever is asked of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.judging import predicate, with_traits
from typing_extensions import override

from rapport_segment.domain import elements
from rapport_segment.domain.rules import parse

SCALARS = st.one_of(
    st.sampled_from(["", "a", "ab", "abc", "b", "true", "007", "7", "7.0", "-1", "ä", "1.10"]),
    st.booleans(),
    st.integers(-9, 9),
    st.sampled_from([Decimal("1.5"), Decimal("7.0"), Decimal("1.10")]),
)
LISTS = st.lists(st.one_of(SCALARS, st.none(), st.just({"x": 1})), max_size=12)
OPS = ["eq", "ne", "in", "contains", "starts_with", "gt", "gte", "lt", "lte"]


@given(LISTS, st.sampled_from(OPS), SCALARS, SCALARS)
def test_an_index_answers_as_looking_through_the_list_does(
    values: list[Any], op: str, wanted: Any, other: Any
) -> None:
    if op == "starts_with" or (op in {"gt", "gte", "lt", "lte"} and isinstance(wanted, bool)):
        wanted = str(wanted)
    asked = [wanted, other] if op == "in" else wanted
    holds = predicate(parse({"trait": "t", "op": op, "value": asked}))
    plain = with_traits({"t": list(values)})
    long = with_traits({"t": elements.Elements(values)})
    assert holds(long) == holds(plain)


@pytest.mark.parametrize(
    ("values", "op", "holds"),
    [
        (["abc"], "gt", True),  # a word is compared as a text
        (["abc"], "lt", False),
        (["!"], "lt", True),
        (["10", "5"], "gt", True),  # and a number, although a text, as a number
        (["10", "5"], "lt", False),
    ],
)
def test_beside_a_number_words_are_compared_as_texts(
    values: list[Any],
    op: str,
    holds: bool,  # noqa: FBT001 - a column
) -> None:
    rule = predicate(parse({"trait": "t", "op": op, "value": "5"}))
    for one in (values, elements.Elements(values)):
        assert rule(with_traits({"t": one})) is holds


def test_what_is_compared_with_a_number_is_no_word() -> None:
    rule = predicate(parse({"trait": "t", "op": "gt", "value": 5}))
    assert not rule(with_traits({"t": elements.Elements(["abc", 5])}))
    assert rule(with_traits({"t": elements.Elements(["abc", "5.5"])}))


def test_in_a_long_list_a_number_is_found_however_it_is_written() -> None:
    rule = predicate(parse({"trait": "t", "op": "in", "value": [7, 8]}))
    for one in (["7.0"], ["a", "8"], [Decimal("7.00")]):
        assert rule(with_traits({"t": elements.Elements(one)}))
    assert not rule(with_traits({"t": elements.Elements(["7.1"])}))


def test_a_long_list_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    class Counting(elements.Elements):
        @override
        def __iter__(self) -> Any:
            nonlocal looks
            looks += 1
            return super().__iter__()

    monkeypatch.setattr(elements, "Elements", Counting)
    monkeypatch.setattr("rapport_segment.domain.evaluate.Elements", Counting)
    facts = with_traits({"tags": [str(n) for n in range(1000)]})
    many = [
        {"trait": "tags", "op": op, "value": f"z{n}"}
        for op in ("contains", "eq", "starts_with", "gt")
        for n in range(50)
    ]
    for rule in many:
        predicate(parse(rule))(facts)
    assert looks <= len(many) // 50


def test_what_is_in_a_trait_is_found_with_its_index() -> None:
    long = [*range(elements.LONG + 1)]
    traits: dict[str, Any] = {"a": {"b": long, "c": 1}, "d.e": 2, "d": {"e": 3}, "f": [{"b": 1}]}
    assert type(elements.indexed(traits, "a.b", ("a", "b"))) is elements.Elements
    assert elements.indexed(traits, "a.b", ("a", "b")) is traits["a"]["b"]
    assert elements.indexed(traits, "a.c", ("a", "c")) == 1
    assert elements.indexed(traits, "d.e", ("d", "e")) == 2
    for path in ("f.b", "g.b", "a.c.d", "a.x"):
        assert elements.indexed(traits, path, tuple(path.split("."))) is None
