"""Answers that are nobody's: nothing that is kept says whose they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

FORM: dict[str, Any] = {
    "anonymous": True,
    "pages": [
        {"id": "a", "questions": [{"kind": "csat", "id": "score", "text": "How was it?"}]},
        {"id": "b", "questions": [{"kind": "text", "id": "comment", "text": "Why?"}]},
    ],
}


async def made(service: Service) -> str:
    told = await service.client.post("/v1/surveys", json={"name": "Staff", "form": FORM})
    assert told.status_code == 201, told.text
    return str(told.json()["id"])


async def link(service: Service, survey: str, status: int = 201, **context: str) -> str:
    told = await service.client.post(f"/v1/surveys/{survey}/links", json={"context": context})
    assert told.status_code == status, told.text
    return urlsplit(str(told.json()["url"])).path


def key_in(page: httpx.Response) -> str:
    """What the page goes on with."""
    found = re.search(r'name="_key" value="([^"]+)"', page.text)
    assert found
    return found[1]


async def answered(service: Service, path: str, score: int, comment: str = "") -> str:
    key = key_in(await service.client.get(path))
    first = await service.answer(path, _page="a", _key=key, score=str(score))
    assert (first.status_code, key_in(first)) == (200, key)
    last = await service.answer(path, _page="b", _key=key, comment=comment)
    assert "Thank you for your answers" in last.text
    return key


async def test_nothing_joins_an_anonymous_answer_with_anything(service: Service) -> None:
    """Not a value of it, or of a part of it, stands in any other row of the database; and it has
    no instant that a list of visits could be held against.
    """
    survey = await made(service)
    path = await link(service, survey, store="7")
    await answered(service, path, 4, "quiet")
    for score in (2, 5, 3, 1):
        await answered(service, path, score)
    rows = await service.rows("SELECT * FROM feedback.response WHERE workspace = :ws")
    assert len(rows) == 5
    shared = {"workspace", "survey_id", "wave", "version", "revision", "state", "done", "context"}
    shared |= {"released"}
    told = {"score", "comment", "answers", "words", "anonymous", "kind"}
    times = {"answered_at", "revised_at", "finished_at"}
    # What was read of an answer's words is a part of it: test_text_people looks at its times.
    others = await service.rows(
        "SELECT t.table_name AS name FROM information_schema.tables t "
        "WHERE table_schema = 'feedback' AND table_name NOT IN ('response', 'text_enrichment')"
    )
    for row in rows:
        assert row.keys() == shared | told | times | {"response_id", "value"}
        assert (row["kind"], row["value"]) == ("anonymous", str(row["response_id"]))
        assert {(row[one].hour, row[one].minute, row[one].second) for one in times} == {(0, 0, 0)}
    ids = [f"%{row['response_id']}%" for row in rows]
    for other in others:
        found = await service.rows(
            f'SELECT 1 AS one FROM feedback."{other["name"]}" t '
            "WHERE CAST(t AS text) LIKE ANY(CAST(:ids AS text[]))",
            ids=ids,
        )
        assert found == [], other["name"]
    # Nor was any row of a link written, or locked, by a transaction that wrote an answer.
    together = await service.rows(
        "SELECT 1 AS one FROM feedback.response r JOIN feedback.invitation i "
        "ON i.xmin = r.xmin OR i.xmax = r.xmin WHERE r.workspace = :ws"
    )
    assert together == []
    assert await service.events() == []
    links = await service.rows("SELECT * FROM feedback.invitation WHERE workspace = :ws")
    assert [(one["kind"], one["user_id"], one["email"]) for one in links] == [("open", None, None)]
    listed = (await service.client.get(f"/v1/surveys/{survey}/responses")).json()["items"]
    assert {(one["kind"], one["value"]) for one in listed} == {(None, None)}
    assert sorted(one["answers"]["score"] for one in listed) == [1, 2, 3, 4, 5]


async def test_a_press_twice_is_one_answer_and_a_finished_one_stands(service: Service) -> None:
    path = await link(service, await made(service))
    key = await answered(service, path, 4)
    for _ in range(2):
        late = await service.answer(path, _page="a", _key=key, score="1")
        assert late.status_code == 409
    rows = await service.rows("SELECT score FROM feedback.response WHERE workspace = :ws")
    assert rows == [{"score": 4}]


async def test_a_forged_key_goes_on_with_nobodys_answer(service: Service) -> None:
    path = await link(service, await made(service))
    key = await answered(service, path, 4)
    for forged in (key[:-2] + "AA", path.split("/")[-1], "x" * 10_000, str(uuid4())):
        page = await service.answer(path, _page="b", _key=forged, comment="mine")
        assert page.status_code == 422
        again = await service.answer(path, _page="a", _key=forged, score="5")
        assert key_in(again) not in {key, forged}
    rows = await service.rows("SELECT score FROM feedback.response WHERE workspace = :ws")
    assert sorted(row["score"] for row in rows) == [4, 5, 5, 5, 5]


async def test_the_way_back_is_a_press_that_records_nothing(service: Service) -> None:
    path = await link(service, await made(service))
    key = key_in(await service.client.get(path))
    await service.answer(path, _page="a", _key=key, score="4")
    back = await service.answer(path, _key=key, _back="a", _page="b", comment="lost")
    assert 'name="_page" value="a"' in back.text
    assert 'id="f-score-4" checked' in back.text
    rows = await service.rows("SELECT comment FROM feedback.response WHERE workspace = :ws")
    assert rows == [{"comment": ""}]


async def test_nobody_is_invited_by_name_and_few_have_no_score(service: Service) -> None:
    survey, named = await made(service), await service.survey()
    by_name = await service.client.post(f"/v1/surveys/{survey}/invitations", json={"user_id": "u"})
    for_all = await service.client.post(f"/v1/surveys/{named}/links", json={})
    assert [by_name.json()["code"], for_all.json()["code"]] == ["anonymous", "not_anonymous"]
    path = await link(service, survey, store="7")
    assert await link(service, survey, 200, store="7") == path
    assert await link(service, survey, store="8") != path
    assert (
        await service.client.post(f"{path}/complaint", data={"subject": "s", "body": "b"})
    ).status_code == 404
    for number in range(5):
        shown = await service.score(survey, by="store")
        assert (shown["held"], shown["n"], shown["score"]) == (number, 0, None)
        assert (shown["counts"], shown["groups"]) == ({}, [])
        await answered(service, path, 5)
    shown = await service.score(survey, by="store")
    assert (shown["score"], shown["rate"], shown["groups"][0]["value"]) == (100, None, "7")
    assert (shown["n"], shown["held"]) == (5, 0)


async def test_a_key_goes_on_with_an_answer_to_its_own_survey_only(service: Service) -> None:
    one, other = [await link(service, await made(service)) for _ in range(2)]
    key = await answered(service, one, 5, "kept")
    begun = await service.answer(other, _page="a", _key=key, score="1")
    assert key_in(begun) != key
    found = await service.rows("SELECT score FROM feedback.response WHERE workspace = :ws")
    assert sorted(row["score"] for row in found) == [1, 5]


async def test_who_comes_without_a_key_goes_on_with_what_was_begun(service: Service) -> None:
    path = await link(service, await made(service))
    first = await service.answer(path, _page="a", score="4")
    last = await service.answer(path, _page="b", _key=key_in(first), comment="so")
    assert "Thank you for your answers" in last.text
    [row] = await service.rows("SELECT state FROM feedback.response WHERE workspace = :ws")
    assert row["state"] == "complete"


async def test_a_link_for_all_lasts_until_its_survey_is_archived(service: Service) -> None:
    survey = await made(service)
    path = await link(service, survey)
    await service.change(
        "UPDATE feedback.invitation SET expires_at = created_at WHERE workspace = :ws"
    )
    assert (await service.client.get(path)).status_code == 200
    await service.client.delete(f"/v1/surveys/{survey}")
    assert (await service.client.get(path)).status_code == 410
