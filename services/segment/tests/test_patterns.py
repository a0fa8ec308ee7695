"""Patterns are RE2's, for one person and for all, and no pattern makes anybody wait."""

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.judging import NOON, predicate, with_traits
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.events.activity import ProfileActivity
from rapport_segment.domain.asked_patterns import patterns_of
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.patterns import require_bounded
from rapport_segment.domain.rules import parse
from rapport_segment.handlers import previewing, segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.store import definitions, matching, turns

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

OPERATOR = Operator("ada", "acme", frozenset({"*"}))


def pattern(value: Any, **more: Any) -> dict[str, Any]:
    return {"trait": "a", "op": "matches", "value": value, **more}


@pytest.mark.parametrize(
    ("rule", "value", "fits"),
    [
        (pattern("^go"), "gold", True),
        (pattern("ol"), "gold", True),
        (pattern("^ol"), "gold", False),
        (pattern("GOLD"), "gold", False),
        (pattern("(?i)GOLD"), "gold", True),
        (pattern("^\\p{Greek}+$"), "\u03b1\u03b2", True),
        (pattern("e\u0301"), "\u00e9", True),
        (pattern("5"), 5, False),
        (pattern("^b"), ["a", "b"], True),
        (pattern("^b", of="all"), ["a", "b"], False),
        (pattern("^b", of="all"), "b", True),
        (pattern("^c", of="none"), ["a", "b"], True),
        (pattern("b$"), [*"ab"] * 20, True),
        (pattern("c$"), [*"ab"] * 20, False),
        ({"not": pattern("a")}, None, True),
        # It would take another kind of patterns longer than the universe is old.
        (pattern("^(a+)+$"), "a" * 100_000 + "b", False),
    ],
)
def test_what_a_pattern_fits(*, rule: dict[str, Any], value: Any, fits: bool) -> None:
    assert predicate(parse(rule))(with_traits({"a": value})) is fits


@pytest.mark.parametrize(
    "value", ["(", "(a)\\1", "(?=a)", "a{1001}", "((a{100}){100}){100}", 5, "a\0"]
)
def test_what_is_no_pattern_is_refused(value: Any) -> None:
    with pytest.raises(RuleError) as caught:
        parse({"and": [pattern(value)]})
    assert caught.value.details == {"path": "and[0].value"}


@pytest.mark.parametrize("long", ["a" * 4097, "b" + "\u00e9" * 5000])
def test_a_text_that_is_too_long_fits_no_pattern(long: str) -> None:
    fits = predicate(parse(pattern("a$|b")))
    assert not fits(with_traits({"a": long}))
    assert predicate(parse({"not": pattern("a")}))(with_traits({"a": long}))
    assert fits(with_traits({"a": long[:4095] + "a"}))
    assert fits(with_traits({"a": [long, "b"]}))


PATTERN = {"op": "matches", "value": "a{1000}" * 2}
BIG = "(a{90}){10}"
"""Of 900 steps: four of them are as many as a rule may have."""


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (pattern("a{1000}" * 2), "rule"),
        ({"not": pattern("\\p{Han}{3,50}")}, "not"),
        ({"or": [pattern(f"{BIG}{letter}") for letter in "bcdef"]}, "or[4]"),
        ({"performed": "X", "where": [{"property": "a", **PATTERN}]}, "rule"),
        (
            {"last": "X", "property": "a", **PATTERN},
            "rule",
        ),
    ],
)
def test_patterns_that_cost_too_much_are_refused(rule: dict[str, Any], path: str) -> None:
    """RE2 takes them, and would hold up everybody: milliseconds for each letter of a text."""
    with pytest.raises(RuleError, match="steps") as caught:
        require_bounded(patterns_of(parse(rule)))
    assert caught.value.details == {"path": path}


def test_all_patterns_of_a_rule_are_found_and_few_are_taken() -> None:
    where = [
        {"property": "p", "op": "matches", "value": "in an event"},
        {"property": "q", "op": "eq", "value": "no pattern"},
    ]
    parts = [
        {"trait": "a", "op": "matches", "value": "of a person"},
        {"trait": "b", "op": "eq", "value": "no pattern"},
        {"performed": "E", "where": where},
        {"last": "E", "property": "r", "op": "matches", "value": "of the last event"},
        {"group": "company", "where": [{**where[0], "value": "in a group"}, where[1]]},
    ]
    found = list(patterns_of(parse({"and": parts})))
    assert found == [
        ("and[0]", "of a person"),
        ("and[2]", "in an event"),
        ("and[3]", "of the last event"),
        ("and[4]", "in a group"),
    ]
    require_bounded(found)


@pytest.mark.integration
async def test_who_asks_for_too_much_by_patterns_is_told_so(client: httpx.AsyncClient) -> None:
    rule = pattern("a{1000}" * 2)
    for path, body in (
        ("/v1/segments/preview", {"rule": rule}),
        ("/v1/segments", {"name": "Poison", "rule": rule}),
    ):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_rule"), answer.text


@pytest.mark.integration
async def test_others_get_their_turn_while_texts_are_looked_at(
    engine: AsyncEngine, records: "Records", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)
    told = [
        records.record(records.state(uuid.UUID(int=number + 1), traits={"a": f"x{number}"}))
        for number in range(20)
    ]
    async with engine.begin() as tx:
        await Judging().on_activity(told, tx)
    breaths = 0

    async def breathe() -> None:
        nonlocal breaths
        breaths += 1

    async with engine.begin() as tx:
        given = {"workspace": "acme"}
        asked = (tx, parse(pattern("x")), definitions.EVERYBODY, given, breathe)
        [found] = (await matching.matched(*asked)).values()
    # Before the question, and after each text.
    assert (len(found), breaths) == (20, 21)


@pytest.mark.integration
async def test_a_build_gives_others_their_turn_and_shows_that_it_lives(
    engine: AsyncEngine, records: "Records", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is taken for a hang, or Postgres ends its transaction, for ever anew."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)
    signs = 0

    async def lives(_tx: object) -> None:
        nonlocal signs
        signs += 1

    monkeypatch.setattr(turns, "_sign_of_life", lives)
    told = [
        records.record(records.state(uuid.UUID(int=number + 1), traits={"a": f"x{number}"}))
        for number in range(5)
    ]
    async with engine.begin() as tx:
        await Judging().on_activity(told, tx)
        await segments.create(tx, OPERATOR, "x", pattern("x"))
    await build(engine)
    # After each text, and after each person who enters.
    assert signs == 10


@pytest.mark.integration
async def test_builds_previews_and_records_agree(engine: AsyncEngine, records: "Records") -> None:
    told = ["gold", "Gold", "silver", ["x", "golden"], None, 5, "gold'; DROP TABLE x; --"]
    people = [uuid.UUID(int=number + 1) for number in range(len(told))]

    async def tell(*values: ProfileActivity) -> None:
        async with engine.begin() as tx:
            await Judging().on_activity([records.record(one) for one in values], tx)

    states = [records.state(who, traits={"a": one}) for who, one in zip(people, told, strict=True)]
    await tell(*states[:4])
    rule = {"and": [pattern("^gold|^s"), {"not": pattern("silver")}]}
    async with engine.begin() as tx:
        made = await segments.create(tx, OPERATOR, "gold", rule)
    await build(engine, page=2)
    await tell(*states[4:])
    async with engine.begin() as tx:
        found = (await previewing.preview(tx, "acme", rule)).tallied
        assert (found.fitting, found.everybody) == (3, len(told))
        stored = await definitions.find(tx, "acme", made.stored.segment_id)
        assert stored is not None
        args = (tx, "acme", stored.segment_id, rule_of(stored))
        assert await definitions.misplaced(*args, now=NOON) == []
        listed = await definitions.shown(tx, "acme", stored.segment_id)
    assert listed is not None
    assert listed.members == 3


@pytest.mark.integration
async def test_a_preview_over_too_many_texts_judges_people_instead(
    engine: AsyncEngine, records: "Records", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_TEXTS", 1)
    for number, told in enumerate(("x", "y")):
        one = records.record(records.state(uuid.UUID(int=number + 1), traits={"a": told}))
        async with engine.begin() as tx:
            await Judging().on_activity([one], tx)
    async with engine.begin() as tx:
        found = await previewing.preview(tx, "acme", pattern("x"))
    assert (found.tallied.fitting, found.sampled, found.is_estimate) == (1, 2, False)
