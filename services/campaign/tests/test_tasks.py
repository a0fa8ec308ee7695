"""Messages that staff deliver: each task to one of them, permitted anew when it is taken, and what
follows from what came of it.
"""

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from services.campaign.tests.conftest import SEGMENT
from services.campaign.tests.test_channel_campaigns import LATE, NUMBER, entered, person, said
from sqlalchemy import text

from rapport_campaign.domain.channel_permission import decide_by
from rapport_campaign.domain.model import Person, State
from rapport_campaign.domain.permission import PermissionPolicy, Send, Suppress
from rapport_campaign.domain.tasks import (
    MOST_HOURS,
    STORE_WORD,
    USUAL_HOURS,
    Task,
    lifetime,
    task_channel,
)
from rapport_common import clock

YES = said("granted", "phone")
NO_MORE = said("withdrawn", STORE_WORD, "p1", at=LATE)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        *(("", USUAL_HOURS), ("5", 5), ("0", USUAL_HOURS), ("99999", MOST_HOURS)),
        *(("soon", USUAL_HOURS), ("-3", USUAL_HOURS), ("9" * 99, USUAL_HOURS), ("٣", USUAL_HOURS)),
    ],
)
def test_how_long_a_task_is_to_be_done(text: str, hours: int) -> None:
    assert lifetime(text) == timedelta(hours=hours)


def test_other_channels_are_no_tasks() -> None:
    assert (task_channel("phone"), task_channel("store")) == ("phone", "store")
    with pytest.raises(ValueError, match="sms is no channel of tasks"):
        task_channel("sms")


def test_whoever_has_it_in_hand_has_it_until_the_lease_ends() -> None:
    now = clock.now()
    one = Task(
        *("acme", UUID(int=1), "k", "phone", "promotion", "p1", None, NUMBER, "", "", "", ""),
        *(now, now, now),
        holder="ann",
        lease_until=now + timedelta(minutes=1),
    )
    assert one.is_held_by_others("ben", now)
    assert not one.is_held_by_others("ann", now)
    assert not one.is_held_by_others("ben", now + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("channel", "purpose", "consents", "verdict"),
    [
        ("phone", "promotion", [YES], Send(NUMBER)),
        ("phone", "promotion", [said("granted", "sms")], Suppress("no consent")),
        ("phone", "service", [], Send(NUMBER)),
        ("store", "promotion", [], Send("p1")),
        ("store", "promotion", [NO_MORE], Suppress("consent withdrawn")),
        (
            "store",
            "promotion",
            [said("denied", STORE_WORD, at=LATE), YES],
            Suppress("consent denied"),
        ),
        ("store", "service", [NO_MORE], Send("p1")),
        ("inbox", "promotion", [NO_MORE], Send("p1")),
    ],
)
def test_who_may_be_told(channel: str, purpose: Any, consents: Any, verdict: Any) -> None:
    sections = msgspec.json.decode(msgspec.json.encode(person(consents)), type=State)
    found = decide_by(
        channel,
        purpose=purpose,
        waited=timedelta(0),
        person=Person("p1", 1, sections),
        policy=PermissionPolicy(),
        suppressions={},
        now=clock.now(),
    )
    assert found == verdict


async def made(scenario: Any, *, people: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Tasks of a campaign for so many people, each with a number of their own."""
    body = {
        "name": "Calls",
        "segment_id": SEGMENT,
        "purpose": "promotion",
        "channel": "phone",
        "content": {
            "title": "Offer",
            "text": "=Tell {{ profile.traits.name }} of it.",
            "parameters": {"queue": "Berlin", "expires_hours": "48"},
        },
        **changes,
    }
    answer = await scenario.client.post("/v1/campaigns", json=body)
    assert answer.status_code == 201, answer.text
    path = f"/v1/campaigns/{answer.json()['id']}"
    assert (await scenario.client.post(f"{path}/start")).status_code == 200
    for number in range(people):
        phone = f"+49151123456{number:02}"
        state = person([said("granted", "phone", phone)], [("sms", phone)])
        await entered(scenario, state, f"p{number}")
    while await scenario.turn():
        pass
    listed: list[dict[str, Any]] = (await scenario.client.get("/v1/tasks")).json()["items"]
    return listed


async def claimed(client: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    answer = await client.post("/v1/tasks/claim", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def ended(client: httpx.AsyncClient, task: dict[str, Any], outcome: str, **more: Any) -> Any:
    return await client.post(f"/v1/tasks/{task['id']}/done", json={"outcome": outcome, **more})


@pytest.mark.integration
async def test_a_message_becomes_a_task_that_one_of_staff_takes_and_ends(scenario: Any) -> None:
    [task] = await made(scenario)
    assert (task["point"], task["title"], task["script"]) == (
        *("+4915112345600", "Offer", "=Tell Ada of it."),
    )
    assert (task["queue"], task["state"], task["profile_id"]) == ("Berlin", "open", "p0")
    assert await scenario.ledger.states() == {"sent": 1}
    staff = scenario.client_of(scopes=("tasks:work",))
    assert await claimed(staff, queue="Munich") == await claimed(staff, channel="store") == []
    [mine] = await claimed(staff, count=5, queue="Berlin", campaign_id=task["campaign_id"])
    assert (mine["id"], mine["holder"]) == (task["id"], "ada")
    assert await claimed(staff, count=5) == [], "it is in hand"
    done = await ended(staff, mine, "reached", note="will come")
    assert (done.json()["state"], done.json()["ended_by"]) == ("done", "ada")
    assert (await ended(staff, mine, "reached", note="will come")).json() == done.json()
    assert (await ended(staff, mine, "refused")).status_code == 409
    shown = await scenario.client.get(f"/v1/tasks/{mine['id']}")
    assert (shown.json()["outcome"], shown.json()["note"]) == ("reached", "will come")
    for state, number in (("open", 0), ("done", 1)):
        listed = await scenario.client.get("/v1/tasks", params={"state": state})
        assert len(listed.json()["items"]) == number


@pytest.mark.integration
async def test_who_refuses_is_asked_no_more_and_it_is_told(scenario: Any) -> None:
    first, second = (await made(scenario))[0], (await made(scenario, name="More calls"))[0]
    assert first["id"] != second["id"]
    tasks = await claimed(scenario.client, count=1)
    assert (await ended(scenario.client, tasks[0], "refused")).status_code == 200
    states = {one["state"] for one in (await scenario.client.get("/v1/tasks")).json()["items"]}
    assert states == {"done", "withdrawn"}
    told = (await scenario.ledger.events())[-1]
    properties = msgspec.json.decode(told.properties)
    assert (told.name, told.identifiers) == ("Consent Updated", [("phone", "+4915112345600")])
    assert (properties["channel"], properties["state"]) == ("phone", "withdrawn")
    assert [one["state"] for one in await made(scenario, name="Even more")].count("open") == 0
    [*_, row] = await scenario.ledger.rows("state = 'suppressed'")
    assert row["reason"] == "on the suppression list"


@pytest.mark.integration
async def test_a_no_said_after_the_task_was_made_counts(scenario: Any) -> None:
    await made(scenario, people=2)
    no = said("withdrawn", "phone", "+4915112345600", at=LATE)
    await scenario.topics.told("p0", 2, person([no], [("sms", "+4915112345600")]))
    other = [("sms", "+4915112349999")]
    new = said("granted", "phone", "+4915112349999")
    await scenario.topics.told("p1", 2, person([new], other))
    assert await claimed(scenario.client, count=5) == []
    listed = (await scenario.client.get("/v1/tasks", params={"state": "withdrawn"})).json()["items"]
    assert {one["note"] for one in listed} == {"consent withdrawn", "the number is theirs no more"}


@pytest.mark.integration
async def test_call_again_waits_and_others_take_what_was_let_lie(
    scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(scenario)
    late = timedelta(0)
    began = clock.now()
    monkeypatch.setattr(clock, "now", lambda: began + late)
    [task] = await claimed(scenario.client, lease_minutes=10)
    at = began + timedelta(hours=2)
    for wrong in (None, began - timedelta(hours=1), began + timedelta(days=9)):
        body = {} if wrong is None else {"again_at": wrong.isoformat()}
        assert (await ended(scenario.client, task, "call_again", **body)).status_code == 422
    again = await ended(scenario.client, task, "call_again", again_at=at.isoformat())
    assert (again.json()["state"], again.json()["attempts"]) == ("open", 1)
    assert await claimed(scenario.client) == []
    late = timedelta(hours=3)
    assert len(await claimed(scenario.client, lease_minutes=10)) == 1
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.task SET holder = 'ben'"))
    held = await ended(scenario.client, task, "not_reached")
    assert (held.status_code, held.json()["code"]) == (409, "held")
    late = timedelta(hours=4)
    assert len(await claimed(scenario.client)) == 1
    assert (await ended(scenario.client, task, "not_reached")).json()["outcome"] == "not_reached"
    await made(scenario, name="Later")
    late = timedelta(days=9)
    assert await claimed(scenario.client) == [], "it has expired"


@pytest.mark.integration
async def test_the_file_of_tasks_does_no_harm_in_a_spreadsheet(scenario: Any) -> None:
    await made(scenario, people=2)
    answer = await scenario.client.post("/v1/tasks/export", json={})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [one["script"] for one in rows] == ["'=Tell Ada of it."] * 2
    assert {one["point"] for one in rows} == {"+4915112345600", "+4915112345601"}
    plain = await scenario.client.post("/v1/tasks/export", json={"formulas": "keep"})
    assert "'=Tell" not in plain.text


@pytest.mark.integration
async def test_in_a_store_a_person_is_told_and_a_no_of_theirs_counts(scenario: Any) -> None:
    [task] = await made(scenario, channel="store")
    assert (task["channel"], task["point"]) == ("store", "")
    [mine] = await claimed(scenario.client, channel="store")
    assert (await ended(scenario.client, mine, "refused")).status_code == 200
    told = (await scenario.ledger.events())[-1]
    properties = msgspec.json.decode(told.properties)
    assert told.identifiers == [("user_id", "u1")]
    assert (properties["channel"], properties["contact_point"]) == (STORE_WORD, "p0")
    await scenario.topics.merged("p0", "q", version=5)
    [row] = await scenario.ledger.query("SELECT profile_id FROM campaign.task")
    assert row["profile_id"] == "q"


@pytest.mark.integration
async def test_whose_they_are_and_what_is_refused(scenario: Any) -> None:
    [task] = await made(scenario)
    path = f"/v1/tasks/{task['id']}"
    stranger = scenario.client_of("globex")
    assert (await stranger.get(path)).status_code == 404
    assert (await ended(stranger, task, "reached")).status_code == 404
    assert await claimed(stranger, count=9) == []
    reader = scenario.client_of(scopes=("campaigns:read",))
    assert (await reader.get(path)).status_code == 200
    for way in (f"{path}/done", "/v1/tasks/claim"):
        body = {"outcome": "reached"} if "done" in way else {}
        assert (await reader.post(way, json=body)).status_code == 403
    for wrong in ({"count": 0}, {"channel": "sms"}, {"lease_minutes": 9999}, {"queue": "\0"}):
        assert (await scenario.client.post("/v1/tasks/claim", json=wrong)).status_code == 422
    assert (await ended(scenario.client, task, "shouted")).status_code == 422
