"""Why two identifiers are not one person, by API: by which rule, of whom, over which events."""

from typing import Any

import httpx
import pytest
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.merge_rules import KindRule, MaxNew, MergeRules, RuleBook, Rules

pytestmark = pytest.mark.integration

DAY = 24 * 60
"""In minutes."""
ONE_A_MONTH = {"email": KindRule(max_new=MaxNew(1, 30))}
TWO = {"email": KindRule(2)}


def mail(name: str) -> Identifier:
    return ("email", f"{name}@example.com")


def device(name: str) -> Identifier:
    return ("anonymous_id", name)


def seen(name: str, day: int, *names: Identifier) -> Event:
    return event(name, identifiers=names, at=day * DAY)


async def why(
    client: httpx.AsyncClient, one: Identifier, other: Identifier, status: int = 200
) -> Any:
    found = await client.get("/v1/profiles", params={"kind": one[0], "value": one[1]})
    asked = {"kind": one[0], "value": one[1], "to_kind": other[0], "to_value": other[1]}
    answer = await client.get(f"/v1/profiles/{found.json()['id']}/why", params=asked)
    assert answer.status_code == status, answer.text
    return answer.json()


async def held(
    engine: AsyncEngine, client: httpx.AsyncClient, kinds: dict[str, KindRule], told: list[Event]
) -> None:
    """The events, under these rules."""
    document: dict[str, Any] = {}
    for kind, one in kinds.items():
        new = one.max_new and {"count": one.max_new.count, "days": one.max_new.days}
        document[kind] = {"max_per_profile": one.max_per_profile, "max_new": new}
    body = {"kinds": document, "version": 0, "reason": "a test"}
    answer = await client.put("/v1/merge-rules", json=body)
    assert answer.status_code < 300, answer.text
    await feed(engine, told, RuleBook(w=Rules(MergeRules(kinds=kinds))))


def identifiers(one: dict[str, Any]) -> list[str]:
    return [each["value"] for each in one["identifiers"]]


async def test_a_shared_tablet_is_named_with_the_users_who_share_it(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    ada, bob = ("user_id", "ada"), ("user_id", "bob")
    await feed(engine, [seen("1", 0, ada, device("t")), seen("2", 1, bob, device("t"))])
    told = await why(client, ada, bob)
    assert told["other_profile_id"] not in {None, told["profile_id"]}
    assert [one["message_id"] for one in told["chain"]] == ["1", "2"]
    (one,) = told["obstacles"]
    assert (one["rule"], identifiers(one)) == ("several_users", ["t"])
    assert {each["value"] for each in one["users"]} == {"ada", "bob"}
    assert "belongs to none" in one["told"]
    # From the tablet itself, too, which is nobody's.
    (one,) = (await why(client, device("t"), ada))["obstacles"]
    assert (one["rule"], identifiers(one)) == ("several_users", ["t"])


async def test_two_users_who_meet_over_a_chain_are_named(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    ada, bob = ("user_id", "ada"), ("user_id", "bob")
    told_of = [
        seen("1", 0, ada, device("x")),
        seen("2", 1, bob, device("y")),
        event("3", type="alias", anonymous_id="x", previous_id="y", at=2 * DAY),
    ]
    await feed(engine, told_of)
    told = await why(client, ada, bob)
    assert [one["message_id"] for one in told["chain"]] == ["1", "3", "2"]
    (one,) = told["obstacles"]
    assert (one["rule"], sorted(identifiers(one))) == ("several_users", ["x", "y"])
    assert {each["value"] for each in one["users"]} == {"ada", "bob"}


async def test_the_window_that_took_a_kiosk_is_told(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    told_of = [seen("1", 0, mail("a"), device("k")), seen("2", 1, mail("b"), device("k"))]
    await held(engine, client, ONE_A_MONTH, told_of)
    (one,) = (await why(client, mail("a"), mail("b")))["obstacles"]
    assert (one["rule"], identifiers(one), one["kind"]) == ("max_new", ["k"], "email")
    assert (one["most"], one["days"]) == (1, 30)
    assert "at most 1 new email within 30 days" in one["told"]


async def test_the_link_that_would_join_too_many_is_told(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """By number, or by when they came: the first ones are hers."""
    ada = ("user_id", "ada")
    told_of = [seen(f"{n}", n, ada, mail(name)) for n, name in enumerate("abc")]
    await held(engine, client, TWO, told_of)
    told = await why(client, ada, mail("c"))
    assert [one["message_id"] for one in told["chain"]] == ["2"]
    (one,) = told["obstacles"]
    assert (one["rule"], identifiers(one)) == ("max_per_profile", ["ada", "c@example.com"])
    assert (one["kind"], one["most"], one["days"]) == ("email", 2, None)
    assert (await why(client, ada, mail("b")))["obstacles"] == []


async def test_the_link_that_came_too_soon_is_told(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    ada = ("user_id", "ada")
    told_of = [seen(f"{n}", n, ada, mail(name)) for n, name in enumerate("ab")]
    await held(engine, client, ONE_A_MONTH, told_of)
    (one,) = (await why(client, ada, mail("b")))["obstacles"]
    assert (one["rule"], one["most"], one["days"]) == ("max_new", 1, 30)


async def test_a_decision_that_keeps_two_apart_is_told(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [seen("1", 0, mail("a"), device("x"))])
    ends = {
        "one": {"kind": "email", "value": "a@example.com"},
        "other": {"kind": "anonymous_id", "value": "x"},
    }
    said = await client.post("/v1/profiles/keep-apart", json={**ends, "reason": "two sisters"})
    (one,) = (await why(client, mail("a"), device("x")))["obstacles"]
    assert (one["rule"], one["decision_id"]) == ("keep_apart", said.json()["decision_id"])
    assert "never one person" in one["told"]


async def test_what_no_event_joins_is_said_to_be_unlinked(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [seen("1", 0, mail("a")), seen("2", 0, mail("b"))])
    told = await why(client, mail("a"), mail("b"))
    assert (told["chain"], [one["rule"] for one in told["obstacles"]]) == ([], ["unlinked"])
    await why(client, mail("a"), mail("never seen"), 404)


async def test_looking_takes_no_lock(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    """A batch that holds both people is not waited for."""
    ada, bob = ("user_id", "ada"), ("user_id", "bob")
    await feed(engine, [seen("1", 0, ada, device("t")), seen("2", 1, bob, device("t"))])
    async with engine.begin() as tx:
        await tx.exec_driver_sql("SELECT 1 FROM profile.identifier FOR UPDATE")
        assert (await why(client, ada, bob))["obstacles"]
