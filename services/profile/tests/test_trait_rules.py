"""Which of what was said about a trait counts, whatever the order in which it comes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.people import event

from rapport_common.events.envelope import Event
from rapport_profile.domain.bounds import MAX_TRAITS
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.stamps import stamp_of
from rapport_profile.domain.trait_rules import TraitJudge, TraitRule, TraitRules, as_type, checked
from rapport_profile.domain.traits import MAX_ITEMS

STEP = 3_600
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([1.5, 2.0, "a", "b", "2", "2026-03-01", "2026-03-01T01:00:00+02:00"]),
    st.lists(st.sampled_from(["a", "b", 1]), max_size=2),
)


def said(
    number: int, value: Any, *, at: int = 0, source: str = "shop", once: bool = False
) -> Event:
    told = {"t": value}
    traits = {"$set_once": told} if once else told
    return event(f"m{number}", type="identify", user_id="U", traits=traits, at=at, source=source)


def judge(rule: str, **more: Any) -> Judge:
    rules = TraitRules({"t": TraitRule(rule, **more)})  # type: ignore[arg-type]
    return Judge(TraitJudge(checked(rules)))


def shown(history: Sequence[Event], by: Judge) -> Any:
    found = msgspec.json.decode(fold_all(history, by).visible_traits())
    return found.get("t")


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    some = st.tuples(
        VALUES, st.integers(0, 4), st.sampled_from(["pos", "shop", "web"]), st.booleans()
    )
    told = draw(st.lists(some, max_size=8))
    return [
        said(number, value, at=at, source=source, once=once)
        for number, (value, at, source, once) in enumerate(told)
    ]


RULES = [
    judge("latest"),
    judge("latest", type="number"),
    judge("latest", type="text"),
    judge("first"),
    judge("priority", sources=("pos", "web")),
    judge("max"),
    judge("min", type="time"),
    judge("union"),
    judge("removed"),
]


@given(history=histories(), by=st.sampled_from(RULES), data=st.data())
def test_the_order_in_which_it_comes_and_where_it_is_kept_do_not_matter(
    history: list[Event], by: Judge, data: st.DataObject
) -> None:
    wanted = fold_all(history, by)
    mixed = data.draw(st.permutations(history))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=2)))
    parts = [mixed[i:j] for i, j in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    assert merge(fold_all(part, by) for part in parts) == wanted
    stored = msgspec.json.decode(msgspec.json.encode(wanted), type=type(wanted))
    assert stored == wanted
    # What retention keeps is weighed again, and by the same rules it is as it was.
    assert stored.weighed_anew(by) == wanted


@given(history=histories(), by=st.sampled_from(RULES))
def test_the_value_is_the_one_that_the_rule_says(history: list[Event], by: Judge) -> None:
    assert shown(history, by) == plainly(history, by.traits.declared.traits["t"])


def plainly(history: Sequence[Event], rule: TraitRule) -> Any:
    """The same by looking at all that was said, in the order of time."""
    ordered = sorted(history, key=lambda one: stamp_of(one).order)
    told: list[tuple[str, Any, bool]] = []
    for one in ordered:
        traits = msgspec.json.decode(one.traits)
        once = "$set_once" in traits
        told.append((one.source, (traits["$set_once"] if once else traits)["t"], once))
    if rule.rule == "union":
        return _union(told)
    counting = [one for one in told if _counts(one[1], rule)]
    if rule.type is not None:
        counting = [(source, _typed(value, rule.type), once) for source, value, once in counting]
    plain = [one for one in counting if not one[2]]
    if not plain:
        return counting[0][1] if counting else None
    values = [value for _source, value, _once in plain]
    if rule.rule == "first":
        return values[0]
    if rule.rule == "priority":
        rank = {source: place for place, source in enumerate(reversed(rule.sources), 1)}
        best = max(rank.get(source, 0) for source, _value, _once in plain)
        return [value for source, value, _once in plain if rank.get(source, 0) == best][-1]
    if rule.rule in {"max", "min"}:
        sizes = [_size(value) or Decimal(0) for value in values]
        top = max(sizes) if rule.rule == "max" else min(sizes)
        return [value for value, size in zip(values, sizes, strict=True) if size == top][-1]
    return values[-1]


def _union(told: Sequence[tuple[str, Any, bool]]) -> list[Any] | None:
    items: set[bytes] = set()
    for _source, value, _once in told:
        if value is None:
            items = set()
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                items.add(msgspec.json.encode(one))
    return [msgspec.json.decode(one) for one in sorted(items)] or None


def _counts(value: Any, rule: TraitRule) -> bool:
    if rule.rule == "removed" or (value is None and rule.rule in {"first", "max", "min"}):
        return False
    if value is None:
        return True
    if rule.type is not None and _typed(value, rule.type) is None:
        return False
    return rule.rule not in {"max", "min"} or _size(value) is not None


def _typed(value: Any, wanted: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None:
        return None
    if wanted == "number":
        return value if number else 2 if value == "2" else None
    if wanted == "text":
        return (
            msgspec.json.encode(value).decode()
            if number
            else value
            if isinstance(value, str)
            else None
        )
    return value if isinstance(value, str) and value.startswith("2026") else None


def _size(value: Any) -> Decimal | None:
    if isinstance(value, str) and value.startswith("2026"):
        # 1:00 there is 23:00 of the day before here.
        return Decimal(1772323200) - (3600 if "T" in value else 0)
    return (
        Decimal(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    )


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        ('"12"', "number", "12"),
        ('"012"', "number", None),
        ('"1e5"', "number", None),
        ("12.50", "text", '"12.50"'),
        ("true", "text", None),
        ('"true"', "boolean", "true"),
        ("1", "boolean", None),
        ("[]", "boolean", None),
        ('{"a": 1}', "boolean", None),
        ('"2026-02-30"', "time", None),
        ('"0001-01-01T00:00:00+14:00"', "time", None),
        ('"20260228"', "time", '"20260228"'),
        ("[1]", "list", "[1]"),
        ("{}", "list", None),
        ("{}", "object", "{}"),
        ("1e99999999999999999999", "number", None),
        ('{"a":', "object", None),
    ],
)
def test_a_value_becomes_one_of_its_type_only_without_loss(
    value: str, wanted: Any, found: str | None
) -> None:
    made = as_type(msgspec.Raw(value.encode()), wanted)
    assert (None if made is None else bytes(made).decode()) == found


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        ("traits.t.sources", TraitRule("priority")),
        ("traits.t.sources", TraitRule("latest", sources=("pos",))),
        ("traits.t.sources", TraitRule("priority", sources=("pos", "pos"))),
        ("traits.t.type", TraitRule("max", "text")),
        ("traits.t.type", TraitRule("union", "number")),
        ("traits.t.description", TraitRule(description="x" * 1_001)),
    ],
)
def test_rules_that_can_not_be_say_where(where: str, rule: TraitRule) -> None:
    with pytest.raises(RulesError) as refused:
        checked(TraitRules({"t": rule}))
    assert refused.value.where == where


@pytest.mark.parametrize("name", ["", "a\0", "n" * 513])
def test_a_trait_has_a_name(name: str) -> None:
    with pytest.raises(RulesError):
        checked(TraitRules({name: TraitRule()}))


def test_numbers_are_compared_with_all_their_digits() -> None:
    great = [9_007_199_254_740_993, 9_007_199_254_740_992, 3]
    history = [said(n, value, at=n) for n, value in enumerate(great)]
    assert shown(history, judge("max")) == great[0]
    assert shown(history, judge("min")) == 3


def test_what_is_said_once_only_gives_way_to_any_other_value() -> None:
    for by, value in ((judge("max"), -5), (judge("min"), 5)):
        history = [said(1, 0, once=True), said(2, value, at=1)]
        assert shown(history, by) == shown(history[::-1], by) == value


@pytest.mark.parametrize("at", [0, 2])
def test_while_rules_change_the_first_value_gives_way_to_one_that_simply_counts(at: int) -> None:
    """One part of what is known is weighed anew already, another one is not yet."""
    counts = fold_all([said(1, "plain", at=at)]).traits["t"]
    first = fold_all([said(2, "first", at=1)], judge("first")).traits["t"]
    assert counts.join(first) == first.join(counts) == counts


def test_a_list_of_all_keeps_what_was_said_last() -> None:
    history = [said(n, f"v{n}", at=n) for n in range(MAX_ITEMS + 5)]
    expected = sorted(f"v{n}" for n in range(5, MAX_ITEMS + 5))
    assert shown(history, judge("union")) == expected
    assert shown(history[::-1], judge("union")) == expected
    assert shown([said(900, "x" * 300)], judge("union")) is None


def test_what_has_a_rule_does_not_give_way_to_what_is_newer() -> None:
    """Else the first value would be the first of those that came since."""
    first = said(1, "the first")
    flood = [
        event(f"f{n}", type="identify", user_id="U", traits={f"n{n}": 1}, at=STEP + n)
        for n in range(MAX_TRAITS + 10)
    ]
    late = said(2, "a later one", at=2 * STEP)
    assert shown([first, *flood, late], judge("first")) == "the first"


def test_what_profile_has_worked_out_nobody_else_can_say() -> None:
    own = said(1, 120, source="profile")
    forged = said(2, 9_999_999_999_999, at=5, source="web")
    for by in RULES:
        assert shown([own, forged], by) == shown([forged, own], by) == 120
        known = fold_all([own], by)
        stored = msgspec.json.decode(msgspec.json.encode(known), type=type(known))
        assert stored.weighed_anew(by) == known
    gone = said(3, None, at=6, source="profile")
    assert shown([own, forged, gone], judge("latest")) is None


def test_other_rules_weigh_what_is_known_of_it_anew() -> None:
    history = [said(1, "5", at=1), said(2, 3, at=2)]
    known = fold_all(history[:1])
    for by, value in ((judge("max", type="number"), 5), (judge("removed"), None)):
        again = known.weighed_anew(by)
        again.join(fold_all(history[1:], by))
        assert msgspec.json.decode(again.visible_traits()).get("t") == value
