"""Long lists: the same verdicts as asking every element, at a cost that does not multiply."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from rapport_segment.domain.elements import SHORT, Elements
from rapport_segment.domain.evaluate import predicate
from rapport_segment.domain.facts import Facts
from rapport_segment.domain.rules import parse
from rapport_segment.handlers import activity

TEXTS = st.sampled_from(["", "a", "ab", "b", "1", "1.0", "01", "-2", "10", "true", "false", "z"])
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-3, 12)
    | st.decimals(-3, 12, places=1)
    | st.none()
    | st.just({"k": 1})
)
WANTED = TEXTS.filter(bool) | st.booleans() | st.integers(-3, 12)
ORDERED = ("gt", "gte", "lt", "lte")
OPS = ["eq", "ne", *ORDERED, "in", "contains", "starts_with"]


def about(value: Any) -> Facts:
    return Facts({"t": value}, {}, {})


@given(st.lists(SCALARS, min_size=SHORT + 1, max_size=SHORT + 20), st.sampled_from(OPS), WANTED)
def test_a_long_list_is_judged_as_its_elements_are(values: list[Any], op: str, wanted: Any) -> None:
    if op == "starts_with" and not isinstance(wanted, str):
        return
    if op in ORDERED and isinstance(wanted, bool):
        return
    rule = {"trait": "t", "op": op, "value": [wanted] if op == "in" else wanted}
    judge = predicate(parse(rule))
    # `contains` of a list is equality, and `ne` means that none is equal.
    of_one = predicate(parse({**rule, "op": "eq"} if op in {"contains", "ne"} else rule))
    for some in (values, values[:SHORT]):
        found = any(of_one(about(one)) for one in some)
        assert judge(about(some)) is (not found if op == "ne" else found)


class Counted(list[Any]):
    looks = 0

    @override
    def __iter__(self) -> Any:
        self.looks += 1
        return super().__iter__()


@pytest.mark.parametrize("op", ["contains", "eq", "in", "gt", "lte", "starts_with", "ne"])
def test_many_rules_look_through_a_list_once(op: str) -> None:
    """Counted where elements are looked at: it depends on no clock."""
    counted = Counted([*range(5000), *map(str, range(5000))])
    facts = about(list(counted))
    facts.__dict__["_made"] = {"t": Elements(counted)}
    for number in range(480):
        wanted = [f"zz{number}"] if op == "in" else f"zz{number}"
        predicate(parse({"trait": "t", "op": op, "value": wanted}))(facts)
    assert 1 <= counted.looks <= 2


async def test_long_work_lets_the_loop_do_other_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "BREATH_SECONDS", -1)
    sign_of_life = asyncio.Event()
    asyncio.get_running_loop().call_soon(sign_of_life.set)
    await activity.Breath().take()
    assert sign_of_life.is_set()
