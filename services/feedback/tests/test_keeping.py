"""Who answered, and what a closed case was about, goes when a workspace keeps it no longer."""

from datetime import timedelta

import pytest
from services.feedback.tests.conftest import Service

from rapport_common import clock
from rapport_feedback.store.keeping import ANSWERS, CASES

pytestmark = pytest.mark.integration
PROFILE = "0190a5c0-0000-7000-8000-000000000001"
ANSWER = "SELECT kind, comment, score FROM feedback.response WHERE workspace = :w ORDER BY score"
CASE = (
    "SELECT subject, body, user_id, state FROM feedback.complaint WHERE workspace = :w "
    "ORDER BY number"
)
NOTE = "SELECT note FROM feedback.case_event WHERE workspace = :w AND note <> '' ORDER BY note"


async def restrict(service: Service, user_id: str) -> None:
    await service.change(
        "INSERT INTO feedback.identity VALUES (:w, 'user_id', :user, :profile)",
        w=service.workspace,
        user=user_id,
        profile=PROFILE,
    )
    await service.change(
        "INSERT INTO feedback.restricted VALUES (:w, :profile)",
        w=service.workspace,
        profile=PROFILE,
    )


async def test_the_score_stays(service: Service) -> None:
    survey = await service.survey()
    for user, score in (("ada", "9"), ("held", "2")):
        path = await service.link(survey, user_id=user)
        await service.answer(path, score=score, comment=f"I am {user}")
    await restrict(service, "held")
    before, later = await service.score(survey), clock.now() + timedelta(days=1)
    async with service.engine.begin() as tx:
        assert await ANSWERS.count(tx, service.workspace, clock.now() - timedelta(days=1)) == 0
        assert await ANSWERS.count(tx, service.workspace, later) == 2
        assert await ANSWERS.page(tx, service.workspace, later, None, 9) == (1, None)
        assert await ANSWERS.count(tx, service.workspace, later) == 1
    found = [
        (one["kind"], one["comment"]) for one in await service.rows(ANSWER, w=service.workspace)
    ]
    assert found == [("user_id", "I am held"), ("erased", "")]
    assert await service.score(survey) == before


async def test_closed_cases_keep_their_number_and_open_ones_their_words(service: Service) -> None:
    for user in ("ada", "held", "open"):
        complaint = {"user_id": user, "subject": "Torn", "body": f"Mine. {user}"}
        made = (await service.client.post("/v1/cases", json=complaint)).json()
        note = {"state": "acknowledged", "note": f"settled with {user}"}
        await service.client.post(f"/v1/cases/{made['id']}/state", json=note)
    await service.change(
        "UPDATE feedback.complaint SET state = 'closed', closed_at = now() WHERE workspace = :w "
        "AND user_id <> 'open'",
        w=service.workspace,
    )
    await restrict(service, "held")
    later = clock.now() + timedelta(days=1)
    async with service.engine.begin() as tx:
        assert await CASES.count(tx, service.workspace, later) == 2
        assert await CASES.page(tx, service.workspace, later, None, 9) == (1, None)
    found = [
        (one["subject"], one["user_id"], one["state"])
        for one in await service.rows(CASE, w=service.workspace)
    ]
    assert found == [
        ("", None, "closed"),
        ("Torn", "held", "closed"),
        ("Torn", "open", "acknowledged"),
    ]
    notes = await service.rows(NOTE, w=service.workspace)
    assert [one["note"] for one in notes] == ["settled with held", "settled with open"]


async def test_what_was_written_later_goes_too_and_duplicates_with_their_heir(
    service: Service,
) -> None:
    ids = []
    for user in ("ada", "duplicate", "heir"):
        complaint = {"user_id": user, "subject": "Torn", "body": f"Mine. {user}"}
        ids.append((await service.client.post("/v1/cases", json=complaint)).json()["id"])
    merge = {"into_id": ids[2], "reason": "one"}
    told = await service.client.post(f"/v1/cases/{ids[1]}/merge", json=merge)
    assert told.status_code == 200
    await service.change(
        "UPDATE feedback.complaint SET state = 'closed', closed_at = now() WHERE workspace = :w "
        "AND user_id = 'ada'",
        w=service.workspace,
    )
    later = clock.now() + timedelta(days=1)
    async with service.engine.begin() as tx:
        assert await CASES.page(tx, service.workspace, later, None, 9) == (1, None)
    note = {"kind": "note", "note": "ada called again"}
    told = await service.client.post(f"/v1/cases/{ids[0]}/entries", json=note)
    assert told.status_code == 200, "a note may be written at a closed case"
    async with service.engine.begin() as tx:
        early = clock.now() - timedelta(hours=1)
        assert await CASES.count(tx, service.workspace, early) == 0
        assert await CASES.count(tx, service.workspace, later) == 1
        assert await CASES.page(tx, service.workspace, later, None, 9) == (1, None)
        assert await CASES.count(tx, service.workspace, later) == 0, "it is not found for ever"
    left = await service.rows(
        "SELECT note FROM feedback.case_entry WHERE workspace = :w AND note <> '' ORDER BY note",
        w=service.workspace,
    )
    assert [one["note"] for one in left] == ["one", "one"]
    await service.change(
        "UPDATE feedback.complaint SET state = 'closed', closed_at = now() WHERE workspace = :w",
        w=service.workspace,
    )
    async with service.engine.begin() as tx:
        assert await CASES.page(tx, service.workspace, later, None, 9) == (2, None)
