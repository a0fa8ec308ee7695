"""Who is forgotten has said nothing: scores and numbers of cases stay, without a word of theirs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from services.feedback.tests.conftest import Service
from sqlalchemy import text
from tests.support.telling import tells_nothing

from rapport_common.events.envelope import identifier_digest
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.kafka.batch import Record
from rapport_common.privacy.subject import Recogniser
from rapport_common.testing.credentials import EVENT_KEY
from rapport_feedback.handlers.privacy import eraser
from rapport_feedback.store.access import parts

pytestmark = pytest.mark.integration
WHO = {"user_id": "ada-1", "email": "ada@example.com"}


async def forget(service: Service, request: str = "0190a5c0-0000-7000-8000-0000000000e1") -> None:
    """By user id and address; nobody had a profile."""
    names = [("user_id", "ada-1"), ("email", "ada@example.com")]
    record = PrivacyRecord(
        workspace=service.workspace,
        request_id=request,
        kind="erase",
        profile_id=request,
        subjects=[identifier_digest(EVENT_KEY, service.workspace, one).hex() for one in names],
        kinds=["email", "user_id"],
        at=datetime.now(UTC),
    )
    made = eraser(EVENT_KEY)
    made.sweeps = [one for one in made.sweeps if one.table != "feedback.outbox_batch"]
    made.over(service.engine)
    async with service.engine.begin() as tx:
        await made.on_privacy([Record("privacy", 0, 0, b"", record)], tx)
    while await made.turn():
        pass


async def rows(service: Service, table: str) -> list[dict[str, Any]]:
    async with service.engine.begin() as tx:
        found = await tx.execute(
            text(f"SELECT * FROM feedback.{table} WHERE workspace = :w"), {"w": service.workspace}
        )
        return [dict(row) for row in found.mappings()]


async def test_answers_stay_in_the_score(service: Service) -> None:
    survey = await service.survey()
    path = await service.link(survey, **WHO)
    await service.answer(path, score="9", comment="I am Ada")
    other = await service.link(survey, user_id="ben-1")
    await service.answer(other, score="2", comment="As ada@example.com said")
    before = await service.score(survey)
    await forget(service)
    assert await service.score(survey) == before
    answers = await rows(service, "response")
    assert sorted((one["kind"], one["comment"], one["score"]) for one in answers) == [
        ("erased", "", 9),
        ("user_id", "", 2),
    ]
    left = [one["user_id"] for one in await rows(service, "invitation")]
    assert sorted(left, key=str) == [None, "ben-1"]
    assert (await service.client.get(path)).status_code in {404, 410}
    again = await service.link(survey, **WHO)
    assert again != path, "who comes back is somebody new"


async def test_of_a_form_what_was_chosen_stays_and_what_was_typed_goes(service: Service) -> None:
    options = [{"id": "a", "text": "A"}, {"id": "b", "text": "B", "other": True}]
    questions = [
        {"kind": "csat", "id": "score", "text": "?"},
        {"kind": "choice", "id": "what", "text": "?", "options": options},
        {"kind": "text", "id": "who", "text": "?"},
        {"kind": "date", "id": "born", "text": "?"},
    ]
    form = {"layout": "all", "traits": ["name"], "pages": [{"id": "a", "questions": questions}]}
    made = await service.client.post("/v1/surveys", json={"name": "Form", "form": form})
    survey = made.json()["id"]
    theirs = {"who": "Me", "born": "1990-01-01", "what.other": "Mine"}
    of_them = {"who": "As ada@example.com said"}
    for who, said in ((WHO, theirs), ({"user_id": "ben-1"}, of_them)):
        path = await service.link(survey, **who, traits={"name": "Ada"})
        told = await service.client.post(path, json={"score": 4, "what": "b", **said})
        assert told.status_code == 303
    before = await service.score(survey)
    await forget(service)
    assert await service.score(survey) == before
    for row in await rows(service, "response"):
        assert (row["score"], row["answers"], row["words"]) == (4, {"what": "b"}, {})
    assert sorted(str(one["traits"]) for one in await rows(service, "invitation")) == [
        "{'name': 'Ada'}",
        "{}",
    ]


async def test_cases_are_closed_and_keep_their_number(service: Service) -> None:
    complaint = {**WHO, "subject": "Torn", "body": "Mine was torn. Ada"}
    made = (await service.client.post("/v1/cases", json=complaint)).json()
    other = {"user_id": "ben-1", "subject": "Late", "body": "Very"}
    kept = (await service.client.post("/v1/cases", json=other)).json()
    note = {"state": "acknowledged", "note": "called ada@example.com by mistake"}
    await service.client.post(f"/v1/cases/{kept['id']}/state", json=note)
    assert await rows(service, "due")
    await forget(service)
    shown = (await service.client.get(f"/v1/cases/{made['id']}")).json()
    assert (shown["number"], shown["state"], shown["subject"]) == (made["number"], "closed", "")
    assert all(one["key"] != made["id"] for one in await rows(service, "due"))
    theirs = (await service.client.get(f"/v1/cases/{kept['id']}")).json()
    assert (theirs["state"], theirs["subject"]) == ("acknowledged", "Late")
    notes = [one["note"] for one in await rows(service, "case_event")]
    assert not any(notes)


async def test_cases_of_others_go_on_without_who_is_forgotten(service: Service) -> None:
    """Whoever is named at another's case is not whose case it is."""
    other = {
        "email": "ben@example.com",
        "subject": "For ada@example.com as well",
        "body": "We both, ada@example.com and I, wait. I am ada-1 of two.",
    }
    case = (await service.client.post("/v1/cases", json=other)).json()
    await forget(service)
    shown = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    assert (shown["state"], shown["email"]) == ("received", "ben@example.com")
    assert shown["subject"] == "For [erased] as well"
    assert shown["body"] == "We both, [erased] and I, wait. I am ada-1 of two."
    assert [one["outcome"] for one in shown["clocks"]] == [None, None], "its clocks run on"
    [row] = await rows(service, "complaint")
    assert "ada@example.com" not in row["words"]


async def test_all_parts_of_what_is_told_can_be_read_page_by_page(service: Service) -> None:
    assert await tells_nothing(service.engine, parts(Recogniser(EVENT_KEY)))


async def test_nothing_of_the_work_on_cases_speaks_of_them(service: Service) -> None:
    """Not what search goes by, nor what was to be noted at many cases."""
    ids = []
    for who in (WHO, {"user_id": "ben-1"}):
        body = {**who, "subject": "Late", "body": "I am Ada", "order_id": "ada-order"}
        ids.append((await service.client.post("/v1/cases", json=body)).json()["id"])
    note = {"kind": "note", "note": "Called ada@example.com"}
    await service.client.post(f"/v1/cases/{ids[1]}/entries", json=note)
    change = {"cases": [{"id": ids[1]}], "note": "of ada@example.com"}
    assert (await service.client.post("/v1/cases/bulk", json=change)).status_code == 202
    merge = await service.client.post(f"/v1/cases/{ids[0]}/merge", json={"into_id": ids[1]})
    assert merge.status_code == 200
    await forget(service)
    for table in ("complaint", "case_entry", "case_event", "case_message", "job"):
        assert "ada@example.com" not in str(await rows(service, table)), table
    [gone] = [one for one in await rows(service, "complaint") if str(one["case_id"]) == ids[0]]
    assert gone["words"] == f"'@{service.workspace}'"
    back = await service.client.post(f"/v1/cases/{ids[0]}/unmerge", json={})
    assert back.status_code == 409, "nobody is left whose case it would be"
