"""One and the same company: who is in, why, for how long, and how many that would be."""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from services.segment.tests.judging import NOON, with_traits
from services.segment.tests.test_condition import in_sql
from services.segment.tests.test_passing import Shop
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.explaining import explain, reason
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import TRAITS, Facts, Section
from rapport_segment.handlers import previewing
from rapport_segment.store.condition import Condition

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records
    from services.segment.tests.test_passing import Published

ACME = {"id": "acme", "industry": "steel", "seats": 20, "ends": "2026-03-11T00:00:00Z"}
ZETA = {"id": "zeta", "industry": "toys", "seats": 500}
LARGE = {"property": "seats", "op": "gt", "value": 100}
STEEL = {"property": "industry", "op": "eq", "value": "steel"}
TOYS = {"property": "industry", "op": "matches", "value": "^to"}
LARGE_AND_STEEL = {"group": "company", "where": [STEEL, LARGE]}
LARGE_AND_TOYS = {"group": "company", "where": [TOYS, LARGE]}


def companies(*some: dict[str, Any]) -> dict[str, Any]:
    """As profile tells them: lists of what they have, and each by itself."""
    names = {name for one in some for name in one}
    lists = {name: [one[name] for one in some if name in one] for name in names}
    return {"groups": {"company": lists, "*": {"company": list(some)}}}


def holds(rule: dict[str, Any], traits: dict[str, Any], now: datetime = NOON) -> bool:
    return Judges().of(parse(rule))(View(with_traits(traits), now))[0]


def test_one_and_the_same_company_has_all() -> None:
    both = companies(ACME, ZETA)
    apart = [{"trait": f"groups.company.{one['property']}", **one} for one in (STEEL, LARGE)]
    lists = {"and": [{key: one[key] for key in ("trait", "op", "value")} for one in apart]}
    assert holds(lists, both), "one of each"
    assert not holds(LARGE_AND_STEEL, both)
    assert holds(LARGE_AND_TOYS, both)
    assert not holds(LARGE_AND_TOYS, companies(ACME))
    assert holds({"group": "company"}, both)
    assert not holds({"group": "household"}, both)
    assert holds({"not": LARGE_AND_STEEL}, {})


def test_a_group_of_a_kind_of_which_there_is_one_stands_by_itself() -> None:
    home = {"groups": {"household": {"id": "h", "size": 3}}}
    assert holds(
        {"group": "household", "where": [{"property": "size", "op": "eq", "value": 3}]}, home
    )


def test_true_is_not_1_in_groups_that_are_looked_at_together() -> None:
    judges = Judges()
    rules = [
        {"group": "company", "where": [{"property": "a", "op": "eq", "value": value}]}
        for value in (1, True)
    ]
    view = View(with_traits(companies({"id": "x", "a": True})), NOON)
    assert [judges.of(parse(one))(view)[0] for one in rules] == [False, True]


def test_an_explanation_names_the_company_and_what_was_asked() -> None:
    view = View(with_traits(companies(ACME, ZETA)), NOON)
    [found] = explain(parse(LARGE_AND_TOYS), view)
    assert (found.actual, found.result) == (["zeta"], True)
    assert found.label == "group company with industry, seats"
    assert reason(parse(LARGE_AND_TOYS), view) == (
        'in company "zeta" with industry matches "^to", seats > 100'
    )
    ends = {"property": "ends", "op": "within", "value": {"next": "30d"}}
    role = {"property": "role", "op": "not_exists"}
    rule = {"group": "company", "where": [STEEL, LARGE, ends, role]}
    assert reason(parse(rule), view) == (
        'in no company with industry = "steel", seats > 100, ends within next 30d, role missing'
    )


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"group": ""}, "group"),
        ({"group": "House Hold"}, "group"),
        ({"group": 5}, "group"),
        ({"group": "company", "op": "eq"}, ""),
        ({"group": "company", "where": STEEL}, "where"),
        ({"group": "company", "where": [STEEL] * 21}, "where"),
        ({"group": "company", "where": [{"trait": "a", "op": "exists"}]}, "where[0]"),
        ({"group": "company", "where": [STEEL, {**LARGE, "op": "near"}]}, "where[1].op"),
        (
            {
                "group": "company",
                "where": [{"property": "a", "op": "anniversary", "value": {"next": "7d"}}],
            },
            "where[0].op",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(rule: Any, path: str) -> None:
    for document, prefix in ((rule, ""), ({"and": [rule]}, "and[0]")):
        with pytest.raises(RuleError) as refused:
            parse(document)
        wanted = ".".join(filter(None, [prefix, path])) or "rule"
        assert refused.value.details["path"] == wanted


def test_only_what_asks_for_groups_is_touched_by_them() -> None:
    ends = {"property": "ends", "op": "within", "value": {"next": "5d"}}
    one = Definition.of(UUID(int=1), 1, "x", parse(LARGE_AND_STEEL))
    moving = Definition.of(UUID(int=2), 1, "y", parse({"group": "company", "where": [ends]}))
    assert (one.moves, moving.moves) == (False, True)
    assert one.timed == frozenset()
    assert moving.timed == one.guard == frozenset({(1, "groups")})


@pytest.mark.integration
async def test_what_is_told_in_no_such_form_is_no_group(module_engine: AsyncEngine) -> None:
    """In both languages: whoever tells such a trait is not profile."""
    odd: list[Any] = [
        None,
        "company",
        ["company"],
        {"company": [{"id": "x"}]},
        {"company": {"id": 5}, "*": [{"id": "x"}]},
        {"company": {}, "*": {"company": [5, None, ["id"]]}},
        {"*": {"company": [{"id": "x"}]}},
        {"company": None, "*": {"company": {"id": "x"}}},
        {"company": None, "*": {"company": [{"id": "x"}]}},
        {"company": {"id": "x"}},
    ]
    people = [
        Facts(
            [Section(0), Section(TRAITS, text=json.dumps({"groups": one}))], str(UUID(int=number))
        )
        for number, one in enumerate(odd, 1)
    ]
    missing = {"property": "a", "op": "not_exists"}
    for rule in ({"group": "company"}, {"group": "company", "where": [missing]}):
        expected = [Judges().of(parse(rule))(View(one, NOON))[0] for one in people]
        assert expected == [False] * 8 + [True] * 2
        assert await in_sql(module_engine, Condition(parse(rule), NOON), people) == expected


@pytest.mark.integration
async def test_who_is_in_such_a_company_enters_and_leaves_with_it(
    engine: AsyncEngine, records: "Records", published: "Published"
) -> None:
    shop, profiles = Shop(engine, records), Profiles()
    shop.clock.now = NOON
    ends = {"property": "ends", "op": "within", "value": {"next": "5d"}}
    renewal = {"group": "company", "where": [STEEL, ends]}
    ada, bob = UUID(int=1), UUID(int=2)
    both = sections([("user_id", "a")], companies(ACME, ZETA))
    await shop.tell(profiles.event(str(ada), **both))
    await shop.define(toys=LARGE_AND_TOYS, steel=LARGE_AND_STEEL)
    async with engine.begin() as tx:
        # Both evaluators, patterns among them: the second is by the sample.
        for rule, count in ((LARGE_AND_TOYS, 1), (LARGE_AND_STEEL, 0), ({"not": renewal}, 1)):
            found = await previewing.preview(tx, "acme", rule)
            assert found.tallied.fitting == count, rule
    [entered] = await published()
    assert (entered.change, entered.profile_id) == ("entered", str(ada))
    later = sections([("user_id", "b")], companies({**ACME, "seats": 101}))
    await shop.tell(profiles.event(str(bob), **later))
    shop.clock.now += timedelta(seconds=1)
    left = sections([("user_id", "a")], companies(ACME))["traits"]
    await shop.tell(profiles.event(str(ada), traits=left))
    changes = (await published())[1:]
    assert [(one.change, one.profile_id) for one in changes] == [
        ("entered", str(bob)),
        ("exited", str(ada)),
    ]
