"""The shipped library: who is in each segment and who is just out, filled in, shown and adopted."""

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest
from services.segment.tests.building import build
from services.segment.tests.library_cases import CASES, Case, filled_rule
from services.segment.tests.somebody import NOW
from services.segment.tests.test_events import in_sql, keep
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.events.trait import TraitDefinition, TraitType
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.event_subjects import OfEvents, Sequence, events_of, window_of
from rapport_segment.domain.library.parameters import Parameter, ParameterError
from rapport_segment.domain.library.shipped import Shipped
from rapport_segment.domain.outlook import Judge, View
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.subjects import Reachable
from rapport_segment.domain.tree import leaves
from rapport_segment.domain.windows import INSTANT_STEP
from rapport_segment.handlers.library import library, require
from rapport_segment.store import traits

PATH = "/v1/segments/library"
PLACE = re.compile(r"\{([a-z_]+)\}")
NAMES = sorted(
    {
        event.name
        for one in CASES
        for leaf in leaves(parse(filled_rule(one)))
        if isinstance(leaf.subject, OfEvents)
        for event in events_of(leaf.subject)
    }
)


def facts_of(case: Case, number: int = 0) -> Facts:
    return case.who.facts(case.who.life(number), NAMES)


def may_move(rule: dict[str, Any]) -> bool:
    """Whether time alone can take somebody in or out."""
    return any(
        leaf.is_timed
        or isinstance(leaf.subject, Reachable)
        or (isinstance(leaf.subject, OfEvents) and window_of(leaf.subject) is not None)
        or (isinstance(leaf.subject, Sequence) and leaf.subject.then[-1].absent)
        for leaf in leaves(parse(rule))
    )


def changes_at(judge: Judge, facts: Facts) -> datetime | None:
    """When the verdict changes by itself, going from one look to the next."""
    verdict, until = judge(View(facts, NOW))
    while until is not None:
        at = until
        found, until = judge(View(facts, at))
        if found is not verdict:
            return at
    return None


def test_there_are_cases_for_each_who_is_in_and_who_is_out_and_whom_time_moves() -> None:
    assert list(CASES) == list(library())
    for library_id, cases in CASES.items():
        assert {one.is_in for one in cases} == {True, False}, library_id
        if may_move(filled_rule(library_id)):
            assert any(one.until for one in cases), library_id


@pytest.mark.parametrize("library_id", CASES)
def test_who_is_in_and_who_is_just_out_and_until_when(library_id: str) -> None:
    judge = Judges().of(parse(filled_rule(library_id)))
    for number, case in enumerate(CASES[library_id]):
        facts = facts_of(case)
        at = None if case.until is None else NOW + case.until
        assert judge(View(facts, NOW))[0] is case.is_in, number
        assert changes_at(judge, facts) == at, number
        if at is not None:
            assert judge(View(facts, at - INSTANT_STEP))[0] is case.is_in, number
            assert judge(View(facts, at))[0] is not case.is_in, number


@pytest.mark.integration
async def test_both_evaluators_agree_about_everybody_in_every_case(
    module_engine: AsyncEngine,
) -> None:
    cases = [case for some in CASES.values() for case in some]
    lives = [case.who.life(number) for number, case in enumerate(cases)]
    people = [case.who.facts(life, NAMES) for case, life in zip(cases, lives, strict=True)]
    async with module_engine.connect() as tx:
        await keep(tx, lives, people, batch=1000)
        await score(tx, cases, people)
        for library_id in CASES:
            rule = filled_rule(library_id)
            judge = Judges().of(parse(rule))
            expected = [judge(View(facts, NOW))[0] for facts in people]
            assert await in_sql(tx, rule, NOW, people) == expected, library_id
        await tx.rollback()


async def score(tx: AsyncConnection, cases: list[Case], people: list[Facts]) -> None:
    """Keep the scores of those who have some."""
    rows = [
        {"id": facts.profile_id, "scores": msgspec.json.encode(case.who.scores).decode()}
        for case, facts in zip(cases, people, strict=True)
        if case.who.scores
    ]
    await tx.execute(
        text(
            "INSERT INTO segment.score (workspace, profile_id, scores, as_of) "
            "VALUES ('acme', CAST(:id AS uuid), CAST(:scores AS jsonb), now())"
        ),
        rows,
    )


def test_each_parameter_has_its_place_and_the_words_are_complete() -> None:
    for one in library().values():
        names = {each.name for each in one.parameters}
        assert set(PLACE.findall(one.rule)) == set(PLACE.findall(one.description)) == names, one.id
        assert one.description.endswith("."), one.id
        assert one.purpose.endswith("."), one.id
        assert all((each.default is None) is (each.example is not None) for each in one.parameters)
        given = [each.default if each.example is None else each.example for each in one.parameters]
        for each, value in zip(one.parameters, given, strict=True):
            assert value is not None
            assert each.value(value) == value, (one.id, each.name)
    titles = [one.title for one in library().values()]
    assert len(set(titles)) == len(titles) >= 25


def test_what_is_needed_is_read_off_the_rule() -> None:
    needed = {
        one.id: [f"{each.kind} {each.name}" for each in one.needs()] for one in library().values()
    }
    assert needed["open_case"] == []
    assert needed["big_spenders"] == ["event Order Completed"]
    assert needed["cart_left"] == ["event Order Completed", "event Product Added"]
    assert needed["birthday_soon"] == ["trait birthday"]
    assert needed["detractors"] == ["computed_trait nps_score"]
    assert needed["vip_by_rfm"] == ["score rfm_frequency", "score rfm_monetary"]
    assert needed["consent_not_asked"] == ["consent email", "contact_point email"]
    other = msgspec.structs.replace(require("open_case"), rule="identifier email exists")
    assert other.needs() == []


def parameter(kind: Any, **more: Any) -> Parameter:
    return Parameter(name="p", kind=kind, **more)


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("days", 30, 30),
        ("days", " 30 ", 30),
        ("days", "3660", 3660),
        ("count", "1000", 1000),
        ("amount", "0", "0"),
        ("amount", "49.90", "49.90"),
        ("amount", "5E+2", "500"),
        ("currency", "eur", "EUR"),
        ("text", ' "a" ', '"a"'),
        ("zone", "Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_a_value_is_brought_into_one_form(kind: str, given: Any, found: Any) -> None:
    assert parameter(kind).value(given) == found


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("days", one) for one in (0, -1, "1.5", "", "x", "3661", "٣", "1e1", "9" * 5000)),
        *(("count", one) for one in ("0", "1001")),
        *(
            ("amount", one)
            for one in ("-1", "NaN", "Infinity", "x", "", "1e9999", "1 or orders", "1_0", "１0")
        ),
        *(("currency", one) for one in ("", "EURO", 'EUR" or orders >= 0')),
        *(("text", one) for one in ("", " ", "x" * 201, "a\0")),
        *(("zone", one) for one in ("", "Mars", 'UTC" or orders >= 0')),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(kind: str, given: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        parameter(kind).value(given)
    assert caught.value.details == {"parameter": "p"}
    assert caught.value.message.startswith("p: must be ")


def test_the_greatest_value_may_be_less_for_one_parameter() -> None:
    assert parameter("days", most=365).value("365") == 365
    with pytest.raises(ParameterError, match="from 1 to 365"):
        parameter("days", most=365).value("366")


def test_texts_stay_texts_whatever_is_in_them() -> None:
    rude = 'x" or not orders >= 0 or trait "y'
    filled = require("birthday_soon").filled({"trait": rude})
    assert filled.rule is not None
    assert filled.rule["trait"] == rude
    filled = require("cross_sell_candidates").filled({"bought": "{lacking}", "lacking": rude})
    assert filled.rule is not None
    assert [one["value"] for one in (filled.rule["and"][0], filled.rule["and"][1]["not"])] == [
        "{lacking}",
        rude,
    ]


def test_what_has_to_be_given_keeps_its_place_until_it_is() -> None:
    filled = require("big_spenders").filled({"amount": "49.90"})
    assert (filled.text, filled.rule) == ("revenue {currency} >= 49.90", None)
    assert filled.missing == ["currency"]
    assert filled.description.startswith("Spent 49.90 {currency} or more")
    filled = require("big_spenders").filled({"currency": "usd"})
    assert filled.text == "revenue USD >= 500"
    assert filled.missing == []


def bands() -> Iterator[tuple[Shipped, str, str]]:
    for one in library().values():
        for lower, upper in zip(one.rising, one.rising[1:], strict=False):
            yield one, lower, upper


def test_a_band_has_an_inside() -> None:
    assert {one.id for one, _lower, _upper in bands()} >= {"about_to_lapse", "review_due"}
    for one, lower, upper in bands():
        one.filled({lower: 5, upper: 6})
        for wrong in (5, 4):
            with pytest.raises(ParameterError) as caught:
                one.filled({lower: 5, upper: wrong})
            assert caught.value.details == {"parameter": upper}


def test_a_parameter_that_is_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="is no parameter of active_customers, which has days"):
        require("active_customers").filled({"dayz": 1})
    with pytest.raises(ParameterError, match="which has no parameters"):
        require("one_time_buyers").filled({"days": 1})


@pytest.mark.integration
async def test_it_is_listed_in_pages_and_shown_with_values(client: httpx.AsyncClient) -> None:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = {"limit": 20} if cursor is None else {"limit": 20, "cursor": cursor}
        answer = (await client.get(PATH, params=page)).json()
        found += answer["items"]
        if (cursor := answer["next"]) is None:
            break
    assert [one["id"] for one in found] == list(library())
    one = (await client.get(f"{PATH}/lapsed_customers", params={"set": ["days=120"]})).json()
    assert one["text"] == "last_order_at <= now - 120d"
    assert one["rule"] == {"computed": "last_order_at", "op": "lte", "value": {"now": "-120d"}}
    assert one["description"] == "Bought, and not for 120 days."
    assert one["parameters"] == [{"name": "days", "kind": "days", "value": 120}]
    assert one["needs"] == [{"kind": "event", "name": "Order Completed"}]
    [currency, _] = (await client.get(f"{PATH}/big_spenders")).json()["parameters"]
    assert currency == {"name": "currency", "kind": "currency", "value": None}
    for path, status in (("/luck", 404), ("/lapsed_customers?set=days", 422)):
        assert (await client.get(PATH + path)).status_code == status


@pytest.mark.integration
async def test_what_is_adopted_is_a_segment_once(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    body = {"ids": ["lapsed_customers", "big_spenders"], "parameters": {"currency": "EUR"}}
    first, second = await asyncio.gather(
        *(client.post(f"{PATH}/adopt", json=body) for _ in range(2))
    )
    assert [first.status_code, second.status_code] == [202, 202]
    if first.json()["present"]:
        first, second = second, first
    added = first.json()["added"]
    assert [one["name"] for one in added] == ["Lapsed customers", "Big spenders"]
    assert [one["text"] for one in added] == [
        "last_order_at <= now - 180d",
        "revenue EUR >= 500",
    ]
    assert second.json()["added"] == []
    assert [one["id"] for one in second.json()["present"]] == [one["id"] for one in added]
    assert await build(engine) == 2
    # Whatever is asked for, what is there stays as it is.
    again = {"ids": ["lapsed_customers"], "parameters": {"days": 5}}
    [same] = (await client.post(f"{PATH}/adopt", json=again)).json()["present"]
    assert (same["id"], same["text"]) == (added[0]["id"], added[0]["text"])
    draft = {**again, "name": "Lapsed 5", "active": False}
    [other] = (await client.post(f"{PATH}/adopt", json=draft)).json()["added"]
    assert (other["state"], other["text"]) == ("draft", "last_order_at <= now - 5d")


@pytest.mark.integration
async def test_all_of_it_can_be_adopted(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    values = {"currency": "EUR", "bought": "tea", "lacking": "pots"}
    body = {"ids": list(library()), "parameters": values, "active": False}
    answer = await client.post(f"{PATH}/adopt", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_rule")
    assert answer.json()["details"] == {
        "path": "and[0].defined",
        "segment": "Cross-sell candidates",
    }
    message = answer.json()["message"]
    wanted = "Cross-sell candidates: and[0].defined: there is no computed trait 'categories_bought'"
    assert message.startswith(wanted)
    assert message.endswith("rapport profile computed adopt categories_bought")
    async with engine.begin() as tx:
        told: list[tuple[str, TraitType]] = [
            ("categories_bought", "list"),
            ("nps_score", "number"),
        ]
        some = [
            TraitDefinition(workspace="acme", name=name, version=1, type=kind, at=NOW)
            for name, kind in told
        ]
        await traits.save(tx, some)
    added = (await client.post(f"{PATH}/adopt", json=body)).json()["added"]
    assert [one["name"] for one in added] == [one.title for one in library().values()]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        ({"ids": ["luck"]}, "not_found", {}),
        ({"ids": ["big_spenders"]}, "invalid_parameter", {"parameter": "currency"}),
        (
            {"ids": ["lapsed_customers", "open_case"], "parameters": {"dayz": 1}},
            "invalid_parameter",
            {"parameter": "dayz"},
        ),
        (
            {"ids": ["lapsed_customers"], "parameters": {"days": 1.5}},
            "invalid_parameter",
            {"parameter": "days"},
        ),
        (
            {"ids": ["open_case", "promoters"], "name": "x"},
            "invalid_request",
            {"field": "name"},
        ),
    ],
)
async def test_what_cannot_be_adopted_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], code: str, details: dict[str, str]
) -> None:
    answer = await client.post(f"{PATH}/adopt", json=body)
    assert answer.status_code in {404, 422}, answer.text
    assert (answer.json()["code"], answer.json()["details"]) == (code, details)
    assert (await client.get("/v1/segments")).json()["items"] == []


@pytest.mark.integration
async def test_to_adopt_takes_the_scope_of_segments(
    client_of: Callable[..., httpx.AsyncClient],
) -> None:
    async with client_of(scopes=("segments:read",)) as reader:
        assert (await reader.get(PATH)).status_code == 200
        body = {"ids": ["open_case"]}
        assert (await reader.post(f"{PATH}/adopt", json=body)).status_code == 403
    async with client_of(scopes=("segments:write",)) as writer:
        assert (await writer.get(PATH)).status_code == 403
