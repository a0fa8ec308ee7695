"""The clocks of cases run out: once each, told to the others, and kept whatever follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from services.feedback.tests.conftest import make_settings
from sqlalchemy import text

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_feedback.api import cases_of
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers.deadlines import Deadlines
from rapport_feedback.handlers.rewinding import JOBS, REWIND, Rewinding
from rapport_feedback.tables import SCHEMA

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

LATER = timedelta(days=30)
"""Both are behind it in turn: 8 open hours, and 30 days less than eight weeks."""

MUCH_LATER = timedelta(days=60)


async def opened(service: Service) -> dict[str, Any]:
    body = {"user_id": "u1", "subject": "Late", "body": "Three weeks late"}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def moved(service: Service, case_id: str, *states: str) -> None:
    for state in states:
        answer = await service.client.post(f"/v1/cases/{case_id}/state", json={"state": state})
        assert answer.status_code == 200, answer.text


async def shown(service: Service, case_id: str) -> dict[str, Any]:
    return dict((await service.client.get(f"/v1/cases/{case_id}")).json())


async def run(service: Service, now: datetime) -> None:
    """Run what is due by then."""
    store = DueStore(SCHEMA, now=lambda: now)
    worker = DueWorker(
        service.engine, store, Deadlines(Publisher("feedback", EVENTS, b"k" * 32), store).kinds
    )
    while await worker.turn():
        pass


async def overdue(service: Service) -> list[tuple[str, str]]:
    """What the others were told: (clock, limit)."""
    found = [one for one in await service.events() if one.name == "Case Overdue"]
    told = [msgspec.json.decode(one.properties) for one in found]
    assert [one.timestamp.timestamp() for one in found] == [
        datetime.fromisoformat(one["due_at"]).timestamp() for one in told
    ]
    return [(one["clock"], one["due_at"]) for one in told]


async def waiting(service: Service) -> list[tuple[str, datetime]]:
    rows = await service.rows(
        "SELECT kind, at FROM feedback.due WHERE workspace = :ws ORDER BY kind"
    )
    return [(one["kind"], one["at"]) for one in rows]


async def test_a_limit_that_passes_is_told_once_and_shown(service: Service) -> None:
    case = await opened(service)
    now = clock.now()
    await run(service, now)
    assert await overdue(service) == []
    changes = "SELECT 1 FROM feedback.case_change WHERE workspace = :ws"
    assert len(await service.rows(changes)) == 1
    await run(service, now + LATER)
    assert len(await service.rows(changes)) == 2, "live views of what is overdue show it"
    await run(service, now + LATER)
    assert await overdue(service) == [("acknowledge", case["acknowledge_due_at"])]
    await run(service, now + MUCH_LATER)
    limits = [("acknowledge", case["acknowledge_due_at"]), ("resolve", case["due_at"])]
    assert await overdue(service) == limits
    found = await shown(service, case["id"])
    assert [(one["clock"], one["due_at"]) for one in found["breaches"]] == limits
    assert await waiting(service) == []


async def test_a_step_stops_its_clock(service: Service) -> None:
    case = await opened(service)
    assert [kind for kind, _ in await waiting(service)] == ["case_acknowledge", "case_resolve"]
    await moved(service, case["id"], "acknowledged")
    due = datetime.fromisoformat(case["due_at"])
    assert await waiting(service) == [("case_resolve", due)]
    await moved(service, case["id"], "assessed", "response_offered", "closed")
    assert await waiting(service) == []
    await run(service, clock.now() + MUCH_LATER)
    assert await overdue(service) == []
    await moved(service, case["id"], "reopened")
    assert [kind for kind, _ in await waiting(service)] == ["case_acknowledge", "case_resolve"]


async def test_what_was_missed_is_kept_when_the_case_is_reopened(service: Service) -> None:
    case = await opened(service)
    await run(service, clock.now() + LATER)
    # As long ago as it would be.
    await service.change(
        "UPDATE feedback.case_breach SET due_at = due_at - interval '40 days' WHERE workspace = :ws"
    )
    await moved(service, case["id"], "acknowledged", "assessed", "response_offered", "closed")
    await moved(service, case["id"], "reopened")
    found = await shown(service, case["id"])
    assert (found["overdue_at"], len(found["breaches"])) == (None, 1)
    await run(service, clock.now() + LATER)
    assert [one for one, _ in await overdue(service)] == ["acknowledge", "acknowledge"]
    assert len((await shown(service, case["id"]))["breaches"]) == 2


async def test_overdue_says_since_when(service: Service) -> None:
    case = await opened(service)
    assert (case["overdue"], case["overdue_at"]) == (False, None)
    limit = (
        await service.rows(
            "UPDATE feedback.complaint SET deadline_at = now() - interval '1 hour' "
            "WHERE workspace = :ws RETURNING deadline_at"
        )
    )[0]["deadline_at"]
    found = await shown(service, case["id"])
    assert found["overdue"]
    assert datetime.fromisoformat(found["overdue_at"]) == limit


async def test_a_row_older_than_its_case_changes_nothing(service: Service) -> None:
    """As one that an older process forgot to stop, or to move."""
    first, second = await opened(service), await opened(service)
    await service.change(
        "UPDATE feedback.case_clock SET outcome = 'met', ended_at = now() "
        "WHERE workspace = :ws AND case_id = CAST(:id AS uuid)",
        id=first["id"],
    )
    far = clock.now() + timedelta(days=40)
    await service.change(
        "UPDATE feedback.case_clock SET due_at = :far WHERE workspace = :ws "
        "AND clock = 'acknowledge' AND case_id = CAST(:id AS uuid)",
        far=far,
        id=second["id"],
    )
    await run(service, clock.now() + LATER)
    assert await overdue(service) == []
    assert ("case_acknowledge", far) in await waiting(service)


async def test_who_is_being_moved_on_is_looked_at_a_moment_later(service: Service) -> None:
    case = await opened(service)
    now = clock.now() + LATER
    async with service.engine.begin() as mover:
        await mover.execute(
            text("SELECT 1 FROM feedback.complaint WHERE workspace = :ws FOR UPDATE"),
            {"ws": service.workspace},
        )
        await run(service, now)
    assert await overdue(service) == []
    await run(service, now + timedelta(seconds=1))
    assert await overdue(service) == [("acknowledge", case["acknowledge_due_at"])]


async def test_a_case_of_the_release_before_gets_its_clocks(service: Service) -> None:
    """A process that knows no laps has opened it, and set its limits."""
    case = await opened(service)
    await service.change("DELETE FROM feedback.case_clock WHERE workspace = :ws")
    await run(service, clock.now() + LATER)
    assert await overdue(service) == [], "its limits are not known yet"
    async with service.engine.begin() as tx:
        [job] = await JOBS.latest(tx, service.workspace, kind=REWIND, limit=1)
    levels = make_settings().service_levels()
    publisher = Publisher("feedback", EVENTS, b"k" * 32)
    async for _ in Rewinding(service.engine, publisher, levels).work(job):
        pass
    clocks = (await shown(service, case["id"]))["clocks"]
    assert [(one["clock"], one["outcome"]) for one in clocks] == [
        ("acknowledge", None),
        ("resolve", None),
    ]
    await run(service, clock.now() + LATER)
    assert [clock_ for clock_, _limit in await overdue(service)] == ["acknowledge"]


async def test_what_follows_is_never_dated_before_what_it_follows(service: Service) -> None:
    """Who waits for the lock has looked at the clock before: the clocks of the case run on."""
    case = await opened(service)
    await moved(service, case["id"], "acknowledged", "assessed", "investigating")
    cases = cases_of(Publisher("feedback", EVENTS, b"k" * 32), make_settings())
    place, now = (service.workspace, UUID(case["id"])), clock.now()
    for state, at in (
        (State.WAITING_CUSTOMER, now + timedelta(seconds=2)),
        (State.INVESTIGATING, now),
        (State.RESPONSE_OFFERED, now),
        (State.CLOSED, now + timedelta(seconds=4)),
        (State.REOPENED, now),
    ):
        async with service.engine.begin() as tx:
            await cases.move(tx, *place, state, actor="ann", note="", now=at)
    running = [one for one in (await shown(service, case["id"]))["clocks"] if not one["outcome"]]
    assert running, "what was reopened has limits again"
    times = await service.rows(
        "SELECT at FROM feedback.case_event WHERE workspace = :ws ORDER BY step"
    )
    assert [one["at"] for one in times] == sorted(one["at"] for one in times)
