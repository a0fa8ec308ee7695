"""Consents over a real database: words with what they rest on, why, as of, notes, ends, bounds."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer, publisher
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_consent_facts import ADA, at, word
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.envelope import Client, Event
from rapport_profile.domain.consent_facts import MAX_FACTS
from rapport_profile.handlers.consent_ends import ConsentEnds
from rapport_profile.store import consent_facts

pytestmark = pytest.mark.integration
DAY = 24 * 60


async def person(client: httpx.AsyncClient, kind: str = "user_id", value: str = "U") -> str:
    found = await client.get("/v1/profiles", params={"kind": kind, "value": value})
    return str(found.json()["id"])


async def told(engine: AsyncEngine) -> list[Event]:
    """The events in the outbox."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile")
    return [msgspec.json.decode(one.value, type=Event) for one in rows if one.topic == "events"]


async def get(client: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    found = await client.get(f"/v1/profiles/{await person(client)}/consents{path}", params=asked)
    assert found.status_code == 200, found.text
    return found.json()


async def test_words_are_kept_and_explained(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    history = [
        event("a", type="identify", user_id="U", traits={"email": ADA}),
        word("y", more={"legal_basis": "consent"}, client=Client(ip="10.9.8.7")),
        word("n", "withdrawn", at=10, received=3 * DAY),
    ]
    await feed(engine, history)
    no, yes = (await get(client, "/words"))["items"]
    assert (no["state"], yes["state"], yes["legal_basis"]) == ("withdrawn", "granted", "consent")
    assert yes["said_by"] == {"kind": "user_id", "value": "U"}
    assert len(yes["ip_hash"]) == 32
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT CAST(f AS text) FROM profile.consent_fact f"))
        assert "10.9.8.7" not in str(rows.fetchall())
    first = await get(client, "/words", limit=1)
    rest = await get(client, "/words", limit=1, cursor=first["next"])
    assert [one["message_id"] for one in first["items"] + rest["items"]] == ["n", "y"]

    why = await get(client, "/why", contact_point=" ADA@example.com")
    assert (why["permitted"], why["state"]["state"]) == (False, "withdrawn")
    assert [one["standing"] for one in why["words"]] == ["decides", "taken_back"]
    then = at(60).isoformat()
    for known, state in (("then", "granted"), ("now", "withdrawn")):
        asked = {"as_of": then, "known": known}
        (one,) = (await get(client, "", **asked))["items"]
        assert one["state"] == state
        why = await get(client, "/why", contact_point=ADA, **asked)
        assert why["permitted"] == (state == "granted")
    assert (await get(client, "", as_of=at(-60).isoformat()))["items"] == []


async def test_words_follow_merges_copies_and_whoever_they_are_of(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [word("y"), event("b", type="identify", email="b@example.com", traits={})])
    mine = event(
        "m",
        name="Consent Updated",
        email="b@example.com",
        said={
            "channel": "email",
            "purpose": "survey",
            "contact_point": "b@example.com",
            "state": "denied",
        },
    )
    await feed(engine, [mine])
    await feed(engine, [event("l", type="identify", user_id="U", email="b@example.com")])
    assert {one["message_id"] for one in (await get(client, "/words"))["items"]} == {"y", "m"}
    # Whichever copy counts, there is one word of it, and it is that copy's.
    copies = [word("c", at=1, more={"wording_version": version}) for version in "abcdef"]
    for one in copies:
        await feed(engine, [one])
    (held,) = [one for one in (await get(client, ""))["items"] if one["purpose"] == "promotion"]
    (kept,) = [one for one in (await get(client, "/words"))["items"] if one["message_id"] == "c"]
    assert kept["wording_version"] == held["wording_version"]
    other = await client.get(
        f"/v1/profiles/{await person(client)}/consents/words", headers=bearer("v", "*")
    )
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires_at", "9999-12-31T23:59:59-14:00"),
        ("said_at", "0001-01-01T00:00:00+14:00"),
    ],
)
async def test_a_time_that_no_calendar_has_is_refused(
    engine: AsyncEngine, client: httpx.AsyncClient, name: str, value: str
) -> None:
    await feed(engine, [event("a", type="identify", user_id="U", traits={"email": ADA})])
    body = {"contact_point": ADA, "state": "granted", "reason": "phone", name: value}
    answer = await client.post(f"/v1/profiles/{await person(client)}/consents", json=body)
    assert answer.status_code == 422, answer.text


async def test_an_operator_notes_a_word(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    await feed(engine, [event("a", type="identify", user_id="U", traits={"email": ADA})])
    path = f"/v1/profiles/{await person(client)}/consents"
    body = {
        "contact_point": " ADA@example.com",
        "state": "granted",
        "reason": "on the phone",
        "evidence": "call 17",
        "expires_at": "2099-01-01T00:00:00Z",
    }
    headers = {"Idempotency-Key": "k"}
    made = [(await client.post(path, json=body, headers=headers)).json() for _ in range(2)]
    assert made[0] == made[1]
    (said,) = await told(engine)
    assert (said.source, said.message_id) == ("profile", made[0]["message_id"])
    await feed(engine, [said])
    (held,) = (await get(client, ""))["items"]
    assert (held["contact_point"], held["state"]) == (ADA, "granted")
    (kept,) = (await get(client, "/words"))["items"]
    assert (kept["method"], kept["actor"], kept["evidence"]) == ("operator", "ada", "call 17")


WRONG: list[dict[str, Any]] = [
    {"contact_point": "nobody"},
    {"purpose": "all"},
    {"channel": "pigeon"},
    {"state": "perhaps"},
    {"reason": ""},
    {"said_at": "2999-01-01T00:00:00Z"},
    {"said_at": "2020-01-01T00:00:00"},
    {"state": "denied", "expires_at": "2099-01-01T00:00:00Z"},
    {"legal_basis": "because"},
    {"more": 1},
]


async def test_what_cannot_be_noted_is_refused(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [event("a", user_id="U")])
    path = f"/v1/profiles/{await person(client)}/consents"
    for change in WRONG:
        body = {"contact_point": ADA, "state": "granted", "reason": "x", **change}
        refused = await client.post(path, json=body)
        assert refused.status_code == 422, change
    assert await told(engine) == []
    odd = await client.get(f"{path}/why", params={"contact_point": ADA, "channel": "pigeon"})
    assert odd.status_code == 422
    assert (await client.get(path, params={"as_of": "2026-01-01T00:00:00"})).status_code == 422


async def test_an_end_is_told_once_when_it_comes(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """In the clock of the worker: not before; and of a word that does not count any more, never."""
    now = [START]
    due = DueStore("profile", now=lambda: now[0])
    worker = DueWorker(engine, due, ConsentEnds(publisher(), due).kinds)
    await feed(engine, [word("y", ends=DAY), word("o", ends=DAY, purpose="survey")])
    # The rows were scheduled by the clock of the database, which is later.
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.due SET try_at = at"))
        await consent_facts.forget(tx, ("w", "shop", "o"))
    await worker.turn()
    assert await told(engine) == []
    now[0] = START + timedelta(minutes=DAY)
    while await worker.turn():
        pass
    await worker.turn()
    (end,) = await told(engine)
    assert (end.name, end.timestamp) == ("Consent Expired", at(DAY))
    await feed(engine, [end, end])
    items = {one["purpose"]: one for one in (await get(client, ""))["items"]}
    assert (items["promotion"]["state"], items["promotion"]["expired"]) == ("withdrawn", True)


async def test_of_very_many_words_the_newest_and_the_noes_are_kept(engine: AsyncEngine) -> None:
    no = word("no", "denied", at=-1)
    many = [word(f"m{number}", at=number / 100) for number in range(MAX_FACTS + 20)]
    for start in range(0, len(many), 300):
        await feed(engine, [no, *many[start : start + 300]])
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT message_id FROM profile.consent_fact"))
        kept = {row.message_id for row in rows}
    assert len(kept) == MAX_FACTS
    assert {"no", many[-1].message_id} <= kept
    assert many[0].message_id not in kept
