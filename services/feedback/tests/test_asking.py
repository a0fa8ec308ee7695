"""People are asked by themselves: once for each occasion, as things are when they are due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec
import pytest
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    SectionVersions,
)
from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_common.events.message import MessageRequest
from rapport_common.events.topics import MESSAGE_REQUESTS
from rapport_common.kafka.batch import Record
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_common.testing.profiles import sections
from rapport_feedback.handlers.activity import on_activity
from rapport_feedback.handlers.asking import Askers
from rapport_feedback.handlers.membership import on_membership
from rapport_feedback.tables import SCHEMA

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

    from rapport_feedback.settings import Settings

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)
ADA = "ada@example.com"


def id_of(profile: str) -> str:
    """The id of a profile that a test calls by a short name."""
    return str(uuid5(NAMESPACE_URL, profile))


def person(service: Service, profile: str = "p1", version: int = 1, **more: Any) -> ProfileActivity:
    """A profile with an address that is verified, told as a whole."""
    email = more.pop("email", ADA)
    user = more.pop("user", f"user-{profile}")
    names = [("user_id", user), ("email", email)]
    points = more.pop("points", [ContactPoint(channel="email", value=email)])
    told = {**sections(names), "contact_points": points, **more}
    return ProfileActivity(
        workspace=service.workspace,
        profile_id=id_of(profile),
        version=version,
        versions=SectionVersions(*[version] * len(SECTIONS)),
        **told,
    )


def happened(service: Service, name: str, profile: str = "p1", **more: Any) -> ProfileActivity:
    now = clock.now()
    fields: dict[str, Any] = {
        "workspace": service.workspace,
        "source": "shop",
        "message_id": uuid4().hex,
        "type": "track",
        "name": name,
        "timestamp": now,
        "received_at": now,
        "identifiers": [("user_id", f"user-{profile}")],
        "properties": msgspec.Raw(msgspec.json.encode(more.pop("properties", {}))),
    }
    return ProfileActivity(
        workspace=service.workspace,
        profile_id=id_of(profile),
        version=2,
        event=Event(**{**fields, **more}),
        versions=SectionVersions(*[1] * len(SECTIONS)),
    )


def entry(service: Service, profile: str = "p1", **more: Any) -> Membership:
    fields: dict[str, Any] = {
        "workspace": service.workspace,
        "profile_id": id_of(profile),
        "profile_version": 1,
        "segment_id": "s1",
        "segment_version": 1,
        "entry_id": f"entry-{profile}",
        "change": "entered",
        "at": clock.now(),
        "cause": "event",
        "reason": "because",
    }
    return Membership(**{**fields, **more})


async def tell(service: Service, *records: ProfileActivity) -> None:
    batch = [Record("profile.activity", 0, at, b"key", one) for at, one in enumerate(records)]
    async with service.engine.begin() as tx:
        await on_activity(batch, tx)


async def enter(service: Service, *records: Membership) -> None:
    batch = [Record("segment.membership", 0, at, b"key", one) for at, one in enumerate(records)]
    async with service.engine.begin() as tx:
        await on_membership(batch, tx)


async def order(service: Service, survey_id: str, **told: Any) -> str:
    body = {"name": "it", "survey_id": survey_id, **told}
    made = await service.client.post("/v1/askings", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def run(service: Service, settings: Settings, later: timedelta = DAY * 0) -> None:
    """Do what is due by then."""
    now = clock.now() + later
    store = DueStore(SCHEMA, now=lambda: now)
    requests = Publisher(SCHEMA, MESSAGE_REQUESTS)
    base = "https://feedback.example.com"
    askers = Askers(requests, key_bytes(settings.link_key), base, store)
    worker = DueWorker(service.engine, store, askers.kinds)
    due = (
        "SELECT 1 FROM feedback.due WHERE workspace = :ws AND kind LIKE 'asking%' "
        "AND try_at <= :now AND failed_at IS NULL"
    )
    while await service.rows(due, now=now):
        await worker.turn()


async def requests(service: Service) -> list[MessageRequest]:
    async with service.engine.begin() as tx:
        found = await waiting(tx, "feedback", MESSAGE_REQUESTS.name)
    decoded = [msgspec.json.decode(one.value, type=MessageRequest) for one in found]
    return [one for one in decoded if one.workspace == service.workspace]


async def states(service: Service, asking_id: str) -> list[tuple[str, str | None]]:
    got = await service.client.get(f"/v1/askings/{asking_id}/occasions")
    assert got.status_code == 200, got.text
    return [(one["state"], one["reason"]) for one in got.json()["items"]]


def path_of(request: MessageRequest) -> str:
    return urlsplit(str(msgspec.json.decode(request.data)["url"])).path


@pytest.fixture
def settings(settings_with: Callable[..., Settings]) -> Settings:
    return settings_with()


async def test_after_a_delivery_a_mail_with_the_scores_and_one_answer(
    service: Service, settings: Settings
) -> None:
    survey = await service.survey()
    asking = await order(
        service, survey, event="Order Delivered", delay_minutes=4320, reminders=[2]
    )
    await tell(service, person(service), happened(service, "Order Delivered"))
    await run(service, settings, DAY)
    assert await requests(service) == []
    await run(service, settings, 3 * DAY)
    [asked] = await requests(service)
    assert (asked.to, asked.purpose, asked.channel, asked.profile_id) == (
        ADA,
        "survey",
        "email",
        id_of("p1"),
    )
    assert asked.html.count("{{ data.url }}?score=") == 11
    assert 'aria-label="9 out of 10"' in asked.html
    assert "{{ unsubscribe_url }}" in asked.html
    assert "{{ unsubscribe_url }}" in asked.text
    page = await service.client.get(f"{path_of(asked)}?score=9")
    assert page.status_code == 200
    assert await states(service, asking) == [("asked", None)], "a GET records nothing"
    assert (await service.score(survey))["n"] == 0
    assert (await service.answer(path_of(asked), score="9")).status_code == 200
    await run(service, settings, 30 * DAY)
    assert await states(service, asking) == [("answered", None)]
    assert len(await requests(service)) == 1, "who has answered is not reminded"


async def test_a_replay_asks_nobody_again(service: Service, settings: Settings) -> None:
    survey = await service.survey()
    by_event = await order(service, survey, event="Order Delivered")
    by_segment = await order(service, survey, segment_id="s1")
    again = happened(service, "Order Delivered")
    for _ in range(2):
        await tell(service, person(service), again)
        await enter(service, entry(service))
        await run(service, settings)
    await tell(service, msgspec.structs.replace(again, republished=True))
    told = [*await states(service, by_event), *await states(service, by_segment)]
    assert sorted(told, key=str) == [("asked", None), ("not_asked", "any_survey")] or sorted(
        told, key=str
    ) == [("asked", None), ("not_asked", "this_survey")]
    assert len(await requests(service)) == 1


async def test_why_not_is_kept_with_the_day_on_which_it_opens(
    service: Service, settings: Settings
) -> None:
    await service.link(await service.survey("Another?"), user_id="user-p1")
    survey = await service.survey()
    skipping = await order(service, survey, event="Order Delivered")
    waiting_ = await order(service, survey, event="Order Delivered", when_closed="wait")
    await tell(service, person(service), happened(service, "Order Delivered"))
    await run(service, settings)
    assert await states(service, skipping) == [("not_asked", "any_survey")]
    got = await service.client.get(f"/v1/askings/{waiting_}/occasions")
    [one] = got.json()["items"]
    assert (one["state"], one["reason"]) == ("planned", "any_survey")
    opens = datetime.fromisoformat(one["opens_at"])
    assert timedelta(days=29) < opens - clock.now() <= timedelta(days=30)
    await run(service, settings, 31 * DAY)
    assert await states(service, waiting_) == [("asked", None)]


async def test_a_merge_between_planning_and_asking_gives_one_invitation(
    service: Service, settings: Settings
) -> None:
    survey = await service.survey()
    asking = await order(service, survey, event="Order Delivered")
    await tell(
        service,
        person(service, "p1"),
        person(service, "p2", email="bob@example.com"),
        happened(service, "Order Delivered", "p1"),
        happened(service, "Order Delivered", "p2"),
    )
    merged = ProfileActivity(
        workspace=service.workspace, profile_id=id_of("p1"), version=3, merged_into=id_of("p2")
    )
    both = person(service, "p2", 3, email="bob@example.com", user="user-p1")
    await tell(service, merged, both)
    await run(service, settings)
    found = await states(service, asking)
    assert sorted(state for state, _ in found) == ["asked", "not_asked"]
    [asked] = await requests(service)
    assert asked.profile_id == id_of("p2")


async def test_who_may_not_or_can_not_be_asked_is_not(service: Service, settings: Settings) -> None:
    survey = await service.survey()
    asking = await order(service, survey, event="Order Delivered", channels=["email", "sms"])
    unverified = [ContactPoint(channel="email", value="x@example.com", verified=False)]
    phone = [ContactPoint(channel="sms", value="+491701234567")]
    await tell(
        service,
        person(service, "kept", restraints=["processing"]),
        person(service, "unsure", email="x@example.com", points=unverified),
        person(service, "called", email="y@example.com", points=phone),
        *(happened(service, "Order Delivered", one) for one in ("kept", "unsure", "called", "?")),
    )
    await run(service, settings)
    found = sorted(await states(service, asking), key=str)
    assert found == sorted(
        [
            ("asked", None),
            ("not_asked", "restricted"),
            ("not_asked", "no address"),
            ("planned", "profile unknown"),
        ],
        key=str,
    )
    [text] = await requests(service)
    assert (text.channel, text.to, text.html) == ("sms", "+491701234567", "")
    assert text.text.endswith("{{ data.url }}")
    await run(service, settings, 2 * DAY)
    assert ("not_asked", "profile unknown") in await states(service, asking)


async def test_who_leaves_before_is_not_asked_and_who_was_in_only_if_included(
    service: Service, settings: Settings
) -> None:
    await enter(service, entry(service, "old"))
    survey = await service.survey()
    asking = await order(service, survey, segment_id="s1", delay_minutes=60)
    including = await order(service, survey, segment_id="s1", include_existing=True)
    await tell(
        service,
        person(service, "p1"),
        person(service, "p2", email="bob@example.com"),
        person(service, "old", email="old@example.com"),
    )
    await enter(service, entry(service, "p1"), entry(service, "p2"))
    await enter(service, entry(service, "p1", change="exited"))
    counted_anew = entry(service, "p3", cause="definition")
    await enter(service, counted_anew)
    await run(service, settings, DAY)
    assert ("not_asked", "left the segment") in await states(service, asking)
    assert len(await states(service, asking)) == 2
    profiles = await service.rows(
        "SELECT profile_id FROM feedback.asking_occasion WHERE workspace = :ws "
        "AND asking_id = CAST(CAST(:id AS text) AS uuid) ORDER BY 1",
        id=including,
    )
    assert [one["profile_id"] for one in profiles] == sorted(
        id_of(one) for one in ("old", "p1", "p2", "p3")
    )


async def test_waves_ask_who_is_in_the_segment_then(service: Service, settings: Settings) -> None:
    survey = await service.survey()
    asking = await order(service, survey, segment_id="s1", repeat_days=100)
    await tell(service, person(service))
    await enter(service, entry(service))
    await run(service, settings)
    assert await states(service, asking) == [("asked", None)]
    await run(service, settings, 101 * DAY)
    found = await service.client.get(f"/v1/surveys/{survey}")
    assert found.json()["wave"] == 2
    assert await states(service, asking) == [("asked", None), ("asked", None)]
    assert len(await requests(service)) == 2


async def test_a_quota_spreads_people_over_days(service: Service, settings: Settings) -> None:
    survey = await service.survey()
    asking = await order(service, survey, segment_id="s1", daily_quota=2)
    crowd = [f"p{number}" for number in range(5)]
    await tell(service, *(person(service, one, email=f"{one}@example.com") for one in crowd))
    await enter(service, *(entry(service, one) for one in crowd))
    asked: list[int] = []
    for day in range(4):
        await run(service, settings, day * DAY)
        asked.append(len(await requests(service)))
    assert asked == [2, 4, 5, 5]
    assert {state for state, _ in await states(service, asking)} == {"asked"}


async def test_reminders_go_to_who_is_silent_while_the_order_stands(
    service: Service, settings: Settings
) -> None:
    survey = await service.survey()
    asking = await order(service, survey, event="Order Delivered", reminders=[3, 7])
    await tell(service, person(service), happened(service, "Order Delivered"))
    await run(service, settings)
    await run(service, settings, 4 * DAY)
    first, reminder = await requests(service)
    assert path_of(first) == path_of(reminder)
    assert first.request_id != reminder.request_id
    assert "not answered yet" in reminder.html
    assert "not answered yet" not in first.html
    assert await states(service, asking) == [("reminded", None)]
    gone = await service.client.delete(f"/v1/askings/{asking}")
    assert gone.status_code == 204
    await run(service, settings, 30 * DAY)
    assert len(await requests(service)) == 2
    assert await states(service, asking) == [("reminded", "archived")]


async def test_nobody_is_asked_for_an_archived_survey(service: Service, settings: Settings) -> None:
    survey = await service.survey()
    asking = await order(service, survey, event="Order Delivered", delay_minutes=10)
    await tell(service, person(service), happened(service, "Order Delivered"))
    await service.client.delete(f"/v1/surveys/{survey}")
    await run(service, settings, DAY)
    assert await states(service, asking) == [("not_asked", "archived")]
    refused = await service.client.post(
        "/v1/askings", json={"name": "x", "survey_id": survey, "event": "e"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "archived")


async def test_words_are_those_of_the_person_and_no_templates(
    service: Service, settings: Settings
) -> None:
    brand = {"name": "{{ profile.email }} & {% raise %}"}
    await service.client.put("/v1/brand", json=brand)
    form = {
        "languages": ["en", "de"],
        "pages": [
            {
                "id": "p",
                "questions": [
                    {"kind": "csat", "id": "how", "text": {"en": "How was it?", "de": "Wie war's?"}}
                ],
            }
        ],
    }
    made = await service.client.post("/v1/surveys", json={"name": "CSAT", "form": form})
    asking = {"event": "Order Delivered", "subject": {"de": "{{ 1 | plus: 1 }} Minuten"}}
    await order(service, made.json()["id"], **asking)
    traits = msgspec.Raw(msgspec.json.encode({"language": "de-AT"}))
    await tell(service, person(service, traits=traits), happened(service, "Order Delivered"))
    await run(service, settings)
    [asked] = await requests(service)
    assert 'lang="de"' in asked.html
    assert "Wie war" in asked.html
    assert asked.html.count("{{ data.url }}?how=") == 5
    for told in (asked.html, asked.text, asked.subject):
        left = told.replace("{{ data.url }}", "").replace("{{ unsubscribe_url }}", "")
        assert "{{" not in left
        assert "{%" not in left


async def test_orders_are_listed_changed_and_refused_with_paths(service: Service) -> None:
    survey = await service.survey()
    asking = await order(service, survey, event="Order Delivered", share=0.5)
    shown = (await service.client.get(f"/v1/askings/{asking}")).json()
    assert (shown["order"]["share"], shown["counts"], shown["actor"]) == (0.5, [], "ann")
    changed = await service.client.patch(
        f"/v1/askings/{asking}", json={"order": {"event": "Order Delivered", "daily_quota": 5}}
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["order"]["daily_quota"] == 5
    other = {"order": {"event": "Other"}}
    refused = await service.client.patch(f"/v1/askings/{asking}", json=other)
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "event"})
    both = {"name": "x", "survey_id": survey, "event": "e", "segment_id": "s"}
    refused = await service.client.post("/v1/askings", json=both)
    assert refused.status_code == 422
    assert refused.json()["details"]["problems"][0]["path"] == "segment_id"
    unknown = await service.client.post(
        "/v1/askings", json={"name": "x", "survey_id": str(uuid4()), "event": "e"}
    )
    assert unknown.status_code == 422
    items = (await service.client.get("/v1/askings")).json()["items"]
    assert [one["id"] for one in items] == [asking]
    stranger = service.as_operator("feedback:read", workspace="another")
    async with stranger:
        assert (await stranger.get(f"/v1/askings/{asking}")).status_code == 404
        assert (await stranger.get("/v1/askings")).json()["items"] == []


async def statements(service: Service, records: Sequence[Membership]) -> int:
    """How many statements a batch of entries takes."""
    from sqlalchemy import event as sql_events  # noqa: PLC0415 - here alone

    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sync = service.engine.sync_engine
    sql_events.listen(sync, "before_cursor_execute", note)
    try:
        await enter(service, *records)
    finally:
        sql_events.remove(sync, "before_cursor_execute", note)
    return len(seen)


async def test_many_entries_take_as_many_statements_as_one(service: Service) -> None:
    await order(service, await service.survey(), segment_id="s1")
    one = await statements(service, [entry(service, "first")])
    many = await statements(service, [entry(service, f"q{number}") for number in range(500)])
    assert many == one
