"""What an operator has put right holds whatever sources say, until it is lifted."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event, events, trait_rules
from services.profile.tests.postgres import feed
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile.domain.correcting import correction, written
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.own_events import RectificationSaid, rectification_events
from rapport_profile.domain.rectifications import (
    MAX_RECTIFICATIONS,
    Rectified,
    keep_newest,
    rectification_said,
)
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.trait_rules import NO_TRAIT_RULES, TraitJudge, TraitRule, TraitRules
from rapport_profile.store.rectifications import FORGOTTEN

ZOE, MAX, NOBODY = (
    {"kind": kind, "value": value}
    for kind, value in (("email", "Zoe@Example.com"), ("user_id", "M"), ("email", "no@example.com"))
)
WRONG = {"email": "zoe@example.com", "city": "Leads"}
HISTORY = [
    event("1", type="identify", user_id="Z", traits=WRONG),
    event("2", user_id="Z", anonymous_id="x", at=1),
    event("3", user_id="M", at=2),
]
RIGHT = {"email": "zoe@right.example", "city": "Leeds", "nickname": None}
PATH = "/v1/privacy/rectifications"
AT = HISTORY[0].timestamp
BAD = [
    b"{}",
    b'{"email": "nobody"}',
    b'{"email": "noreply@example.com"}',
    b'{"phone": 12}',
    b'{"$set_once": {"a": 1}}',
    b'{"": 1}',
    b'{"a": NaN}',
    b'{"a": "\\u0000"}',
    b'{"a": "\\ud800"}',
    b'{"a\\u0000": 1}',
    b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"a": "' + b"x" * 5_000 + b'"}',
    b"{" + b", ".join(b'"%d": 1' % n for n in range(21)) + b"}",
]
"""Bodies of `traits` that are refused."""


async def rectified(
    client: httpx.AsyncClient, who: dict[str, str], traits: dict[str, Any], key: str = "k"
) -> dict[str, Any]:
    body = {"identifier": who, "traits": traits, "reason": "letter 4714", "evidence": "a passport"}
    answer = await client.post(PATH, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def lifted(client: httpx.AsyncClient, id_: str) -> httpx.Response:
    return await client.post(f"{PATH}/{id_}/lift", json={"reason": "letter 4715"})


async def person(client: httpx.AsyncClient, kind: str, value: str) -> dict[str, Any]:
    answer = await client.get("/v1/profiles", params={"kind": kind, "value": value})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def traits(client: httpx.AsyncClient, kind: str, value: str) -> Any:
    return (await person(client, kind, value))["traits"]


@pytest.mark.integration
async def test_it_outweighs_what_was_said_and_what_is_said_later_until_it_is_lifted(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await rectified(client, ZOE, RIGHT)
    assert (made["state"], made["identifiers"], made["actor"]) == ("holds", 3, "ada")
    assert made["traits"] == RIGHT
    assert (await rectified(client, ZOE, RIGHT))["id"] == made["id"], "once"
    again = {**WRONG, "nickname": "Zo", "phone": "+441134960000"}
    await feed(engine, [event("4", type="identify", user_id="Z", traits=again, at=60 * 24 * 400)])
    found = await person(client, "anonymous_id", "x")
    assert found["traits"] == {
        "city": "Leeds",
        "email": "zoe@right.example",
        "phone": "+441134960000",
    }
    points = {(one["channel"], one["value"]) for one in found["contact_points"]}
    assert points == {("email", "zoe@right.example"), ("sms", "+441134960000")}
    listed = (await client.get(f"/v1/profiles/{found['id']}/traits")).json()["items"]
    assert {one["name"]: one["value"] for one in listed} == found["traits"]
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "profile.activity")
    told = [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]
    latest = [one.contact_points for one in told if one.contact_points is not None][-1]
    assert [one.value for one in latest] == ["zoe@right.example", "+441134960000"]
    assert await checked(engine) == NOTHING
    ended = await lifted(client, made["id"])
    assert (ended.json()["state"], ended.json()["lifted_by"]) == ("lifted", "ada")
    assert (await lifted(client, made["id"])).status_code == 409
    assert await traits(client, "user_id", "Z") == again
    assert (await client.get(PATH)).json()["items"] == [ended.json()]
    assert (await client.get(f"{PATH}/{made['id']}")).json() == ended.json()
    assert await checked(engine) == NOTHING


@pytest.mark.integration
async def test_the_history_of_a_trait_has_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await rectified(client, ZOE, RIGHT)
    later = await rectified(client, ZOE, {"city": "York"}, key="later")
    who = (await person(client, "user_id", "Z"))["id"]
    path = f"/v1/profiles/{who}/trait-history"
    told = (await client.get(path, params={"name": "city"})).json()
    assert [(one["id"], one["value"], one["counts"]) for one in told["rectifications"]] == [
        (later["id"], "York", True),
        (made["id"], "Leeds", False),
    ]
    assert [one["counts"] for one in told["items"]] == [False]
    assert (await lifted(client, later["id"])).status_code == 200
    assert (await lifted(client, made["id"])).status_code == 200
    told = (await client.get(path, params={"name": "city"})).json()
    assert [one["counts"] for one in told["rectifications"]] == [False, False]
    assert [one["counts"] for one in told["items"]] == [True]


@pytest.mark.integration
async def test_it_goes_with_both_parts_and_into_a_merge(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await rectified(client, ZOE, {"city": "Leeds"})
    pair = {"one": {"kind": "user_id", "value": "Z"}, "reason": "r"}
    apart = {**pair, "other": ZOE}
    assert (await client.post("/v1/profiles/keep-apart", json=apart)).status_code == 201
    for kind, value in (("user_id", "Z"), ("email", "zoe@example.com")):
        assert (await traits(client, kind, value))["city"] == "Leeds"
    merge_ = {**pair, "other": MAX}
    assert (await client.post("/v1/profiles/merge", json=merge_)).status_code == 201
    assert (await traits(client, "user_id", "M"))["city"] == "Leeds"
    assert (await lifted(client, made["id"])).status_code == 200
    assert (await traits(client, "user_id", "M"))["city"] == "Leads"
    assert await traits(client, "email", "zoe@example.com") == {}
    assert await checked(engine) == NOTHING


@pytest.mark.integration
async def test_of_whom_nobody_knows_it_holds_when_they_come(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    made = await rectified(client, NOBODY, {"city": "Leeds"})
    assert (made["profile_id"], made["identifiers"]) == (None, 1)
    await feed(engine, [event("1", user_id="N", email="no@example.com")])
    assert await traits(client, "user_id", "N") == {"city": "Leeds"}


@pytest.mark.integration
async def test_nothing_of_it_is_left_of_who_is_forgotten(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await rectified(client, ZOE, RIGHT)
    theirs = [
        IDS.of("w", one).replace("-", "")
        for one in (("user_id", "Z"), ("email", "zoe@example.com"), ("anonymous_id", "x"))
    ]
    async with engine.begin() as tx:
        asked = {"workspace": "w", "subjects": theirs, "limit": 9}
        assert (await tx.execute(text(FORGOTTEN.statement), asked)).rowcount == 1
    left = (await client.get(f"{PATH}/{made['id']}")).json()
    assert (left["identifiers"], left["traits"], left["evidence"]) == (0, {}, None)
    assert left["reason"] == "letter 4714"


@pytest.mark.integration
async def test_whose_they_are_and_what_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await rectified(client, ZOE, RIGHT)
    path = f"{PATH}/{made['id']}"
    assert (await client.get(path, headers=bearer("v", "*"))).status_code == 404
    reader = bearer("w", "privacy:read")
    assert (await client.get(path, headers=reader)).status_code == 200
    for way in (path + "/lift", PATH):
        refused = await client.post(way, json={"reason": "x"}, headers=reader)
        assert refused.status_code == 403
    nothing = await lifted(client, "0190a5c0-0000-7000-8000-0000000000e1")
    assert nothing.status_code == 404
    for number in range(19):
        await rectified(client, ZOE, {"number": 10**30 + number}, key=f"more-{number}")
    body = {"identifier": ZOE, "traits": {"city": "x"}, "reason": "x"}
    assert (await client.post(PATH, json=body)).status_code == 409
    listed = await client.get(PATH, params={"limit": 1})
    assert listed.json()["items"][0]["traits"]["number"] == 10**30 + 18


@pytest.mark.integration
@pytest.mark.parametrize("said", BAD)
async def test_what_can_not_be_is_named(client: httpx.AsyncClient, said: bytes) -> None:
    body = b'{"identifier": {"kind": "user_id", "value": "Z"}, "reason": "x", "traits": %s}' % said
    answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize("said", BAD)
def test_what_can_not_be_is_refused_by_the_rules(said: bytes) -> None:
    with pytest.raises(RulesError) as refused:
        correction("r", written(json.loads(said)), NO_TRAIT_RULES)
    assert refused.value.where.startswith("traits")


# --- the rules ---------------------------------------------------------------------------------


def right(
    id_: str, traits: dict[str, Any], at: datetime = AT, points: dict[str, str | None] | None = None
) -> Event:
    said = RectificationSaid(id_, dict(written(traits)), points or {})
    (one,) = rectification_events("w", said, [("user_id", "Z")], at, holds=True)
    return one


def expected(history: Sequence[Event], judge: Judge) -> dict[str, Any]:
    """What is shown, by an oracle that looks at all words on rectifications at once."""
    words: dict[str, Rectified] = {}
    for one in sorted(history, key=lambda event: (event.timestamp, event.message_id)):
        said = rectification_said(one, judge.traits)
        if said is not None:
            words[said[0]] = said[1]
    shown = dict(msgspec.json.decode(fold_all(_of_sources(history), judge).visible_traits()))
    for word in sorted(words.values(), key=lambda word: word.stamp.order):
        shown.update({name: msgspec.json.decode(value) for name, value in word.traits.items()})
    return {name: value for name, value in shown.items() if value is not None}


def _of_sources(history: Sequence[Event]) -> list[Event]:
    return [one for one in history if one.source != "profile"]


@given(st.lists(events(), max_size=12, unique_by=lambda one: one.message_id), st.data())
def test_any_order_and_any_parts_give_what_holds_over_what_sources_say(
    history: list[Event], data: st.DataObject
) -> None:
    rules = TraitRules(data.draw(st.dictionaries(st.sampled_from("pq"), trait_rules)))
    judge = Judge(TraitJudge(rules))
    shuffled = data.draw(st.permutations(history))
    cut = data.draw(st.integers(0, len(history)))
    whole = fold_all(history, judge)
    parts = merge([fold_all(shuffled[:cut], judge), fold_all(shuffled[cut:], judge)])
    for one in (whole, parts, fold_all(shuffled, judge), stored(parts)):
        assert msgspec.json.decode(one.visible_traits()) == expected(history, judge)
        assert one.contact_points() == whole.contact_points()
        assert one.consent_states() == whole.consent_states()
    # By other rules what was put right is told as they have it.
    other = Judge(TraitJudge(TraitRules({"p": TraitRule("removed")})))
    assert "p" not in msgspec.json.decode(whole.weighed_anew(other).visible_traits())


def stored(fold: Fold) -> Fold:
    return msgspec.json.decode(msgspec.json.encode(fold), type=Fold)


def test_only_this_service_tells_of_them_in_a_form_that_can_be_read() -> None:
    one = right("r", {"a": 1})
    said = rectification_said(one, NO_TRAIT_RULES)
    assert said is not None
    assert (said[0], said[1].traits, said[1].holds) == ("r", {"a": msgspec.Raw(b"1")}, True)
    replace = msgspec.structs.replace
    assert rectification_said(replace(one, source="shop"), NO_TRAIT_RULES) is None
    unreadable = replace(one, properties=msgspec.Raw(b'{"rectification_id": 1}'))
    assert rectification_said(unreadable, NO_TRAIT_RULES) is None


def test_points_that_this_service_has_worked_out_nobody_puts_right() -> None:
    worked_out = event("1", type="identify", user_id="Z", source="profile", traits={"points": 5})
    fold = fold_all([worked_out, right("r", {"points": 500, "city": "Leeds"})])
    assert msgspec.json.decode(fold.visible_traits()) == {"points": 5, "city": "Leeds"}


def test_a_phone_that_is_none_ends_the_channel_and_a_consent_counts_no_more() -> None:
    said = {"channel": "sms", "purpose": "marketing", "state": "granted"}
    consent = event("2", user_id="Z", name="Consent Updated", said=said, trust="public")
    known = event("1", type="identify", user_id="Z", traits={"phone": "+441134960000"})
    fold = fold_all([known, consent])
    assert [one.value for one in fold.contact_points()] == ["+441134960000"]
    fold = fold_all([known, consent, right("r", {"phone": None}, points={"sms": None})])
    assert fold.contact_points() == []


def test_values_fit_the_trait_rules_and_addresses_get_their_normal_form() -> None:
    rules = {"age": TraitRule(type="number"), "note": TraitRule("removed")}
    judge = TraitJudge(TraitRules(rules))
    said = correction("r", written({"age": "42", "email": "Zoe@EXAMPLE.com"}), judge)
    assert said.traits["age"] == msgspec.Raw(b"42")
    assert said.contact_points == {"email": "zoe@example.com"}
    for bad in ({"age": "old"}, {"note": "x"}, {"note": None}):
        with pytest.raises(RulesError):
            correction("r", written(bad), judge)
    assert correction("r", written({"age": None}), judge).traits["age"] == msgspec.Raw(b"null")


def test_those_that_hold_outlive_those_that_are_lifted() -> None:
    known = {
        str(n): Rectified({}, {}, Stamp(AT, str(n), "profile"), n == 0)
        for n in range(2 * MAX_RECTIFICATIONS)
    }
    keep_newest(known)
    assert len(known) == MAX_RECTIFICATIONS
    assert "0" in known
