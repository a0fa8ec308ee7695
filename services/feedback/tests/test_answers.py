"""A customer answers over a link: once per person, as often as it takes, never by a GET."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
HTML = "text/html; charset=utf-8"


async def responses(service: Service) -> list[dict[str, Any]]:
    return await service.rows(
        "SELECT score, comment, revision FROM feedback.response WHERE workspace = :ws ORDER BY 1"
    )


def properties(raw: msgspec.Raw) -> dict[str, Any]:
    return dict(msgspec.json.decode(raw))


async def test_a_get_records_nothing(service: Service) -> None:
    path = await service.link(await service.survey("Would you <b>?"), user_id="u1")
    for query in ("", "?score=9", "?comment=hi"):
        page = await service.client.get(path + query)
        assert page.status_code == 200
        assert page.headers["content-type"] == HTML
        assert "Would you &lt;b&gt;?" in page.text
    assert (await service.client.head(path)).status_code == 200
    assert await responses(service) == []
    assert await service.events() == []


async def test_a_page_is_for_its_reader_only(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    headers = (await service.client.get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


async def test_a_post_records_the_score_and_tells_the_others(service: Service) -> None:
    survey = await service.survey()
    path = await service.link(survey, user_id="u1", email="Ada@Example.com ")
    page = await service.answer(path, score="3")
    assert page.status_code == 200
    assert "Your answer: <strong>3</strong>" in page.text
    assert await responses(service) == [{"score": 3, "comment": "", "revision": 1}]
    (event,) = await service.events()
    assert (event.type, event.name, event.source) == ("track", "Survey Answered", "feedback")
    assert event.identifiers == [("user_id", "u1"), ("email", "ada@example.com")]
    told = properties(event.properties)
    assert told["score"] == 3
    assert (told["survey_id"], told["kind"], told["wave"]) == (survey, "nps", 1)
    assert event.message_id == f"answer-{told['response_id']}-1"


async def test_the_event_is_keyed_by_the_person_and_carries_the_trace(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await service.client.post(path, data={"score": "3"}, headers={"traceparent": trace})
    ((_, record),) = await service.told()
    assert (record.topic, record.version, record.traceparent) == ("events", 2, trace)
    assert len(record.key) == 16


async def test_a_comment_comes_after_the_score(service: Service) -> None:
    path = await service.link(await service.survey(), email="a@example.com")
    await service.answer(path, score="9")
    page = await service.answer(path, comment="Fast\r\nand kind\r\n")
    assert page.status_code == 200
    assert await responses(service) == [{"score": 9, "comment": "Fast\nand kind", "revision": 2}]
    first, second = await service.events()
    assert first.message_id.removesuffix("-1") == second.message_id.removesuffix("-2")
    assert properties(second.properties)["comment"] == "Fast\nand kind"


async def test_a_json_body_works_as_well(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    page = await service.client.post(path, json={"score": 0, "comment": "no"})
    assert page.status_code == 200
    assert await responses(service) == [{"score": 0, "comment": "no", "revision": 1}]


async def test_the_same_answer_twice_is_one(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    assert [(await service.answer(path, score="5")).status_code for _ in range(3)] == [200] * 3
    assert await responses(service) == [{"score": 5, "comment": "", "revision": 1}]
    assert len(await service.events()) == 1


async def test_a_burst_of_all_scores_is_one_answer(service: Service) -> None:
    """What link scanners do: follow everything on the page at once."""
    survey = await service.survey()
    path = await service.link(survey, user_id="u1")
    gets = [service.client.get(f"{path}?score={score}") for score in range(11)]
    posts = [service.answer(path, score=str(score)) for score in range(11)]
    answers: list[httpx.Response] = await asyncio.gather(*gets, *posts)
    assert {one.status_code for one in answers} == {200}
    last = await service.answer(path, score="7")
    assert last.status_code == 200
    (row,) = await responses(service)
    assert row["score"] == 7
    events = await service.events()
    assert len(events) == row["revision"] == len({one.message_id for one in events})
    assert properties(events[-1].properties)["score"] == 7
    assert (await service.score(survey))["n"] == 1


async def test_after_the_hour_the_answer_stands(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.answer(path, score="5")
    await service.change(
        "UPDATE feedback.response SET answered_at = answered_at - interval '61 minutes', "
        "finished_at = finished_at - interval '61 minutes' "
        "WHERE workspace = :ws"
    )
    late = await service.answer(path, score="10")
    assert late.status_code == 409
    assert late.headers["content-type"] == HTML
    assert "answered already" in late.text
    assert (await service.answer(path, comment="why")).status_code == 200
    assert (await service.answer(path, comment="why not")).status_code == 409
    assert await responses(service) == [{"score": 5, "comment": "why", "revision": 2}]
    page = await service.client.get(path)
    assert 'name="score"' not in page.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_our_own_links_work(service: Service, method: str) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    swapped = "A" if path[-1] != "A" else "B"
    for wrong in (path[:-1] + swapped, path + "A", "/s/x", "/s/%00", "/s/ü", "/s/" + "A" * 44):
        page = await service.client.request(method, wrong, data={"score": "1"})
        assert page.status_code == 404, wrong
        assert page.headers["content-type"] == HTML
    assert await responses(service) == []


async def test_a_link_ends(service: Service) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.change("UPDATE feedback.invitation SET expires_at = now() WHERE workspace = :ws")
    assert (await service.client.get(path)).status_code == 410
    assert (await service.answer(path, score="1")).status_code == 410
    form = {"subject": "s", "body": "b"}
    assert (await service.client.post(f"{path}/complaint", data=form)).status_code == 410
    assert await responses(service) == []


async def test_inviting_again_gives_the_same_link_and_more_time(service: Service) -> None:
    survey = await service.survey()
    body = {"email": "a@example.com"}
    first = await service.client.post(f"/v1/surveys/{survey}/invitations", json=body)
    assert first.json()["url"].startswith("https://feedback.example.com/s/")
    await service.change("UPDATE feedback.invitation SET expires_at = now() WHERE workspace = :ws")
    body = {"email": "A@EXAMPLE.com"}
    again = await service.client.post(f"/v1/surveys/{survey}/invitations", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    path = await service.link(survey, email="a@example.com")
    assert (await service.client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"score": ""},
        {"score": "11"},
        {"score": "-1"},
        {"score": "3.5"},
        {"score": "٣"},
        {"score": "1e1"},
        {"score": "9" * 5000},
        {"score": "\0"},
        {"comment": "only this"},
        {"score": "3", "comment": "x" * 4001},
        {"score": "3", "comment": "a\0b"},
    ],
)
async def test_a_bad_form_is_a_page_that_says_why(service: Service, form: dict[str, str]) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    page = await service.answer(path, **form)
    assert page.status_code == 422
    assert page.headers["content-type"] == HTML
    assert await responses(service) == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded", 422),
        (b"score=%zz", "application/x-www-form-urlencoded", 422),
        (b"&".join(b"a=1" for _ in range(50)), "application/x-www-form-urlencoded", 422),
        (b"comment=" + b"x" * 200_000, "application/x-www-form-urlencoded", 413),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 422),
        (b'{"score":', "application/json", 422),
        (b'{"score": [3]}', "application/json", 422),
        (b'{"score": 3.7}', "application/json", 422),
        (b'{"score": true}', "application/json", 422),
        (b'{"score": 3, "comment": "\\ud800"}', "application/json", 422),
        (b'{"score": 3, "comment": "\xff"}', "application/json", 422),
        (b'{"score": ' + b"9" * 6000 + b"}", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"", "text/plain", 422),
    ],
)
async def test_a_hostile_body_is_no_error_of_ours(
    service: Service, content: bytes, kind: str, status: int
) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    for address in (path, f"{path}/complaint"):
        page = await service.client.post(address, content=content, headers={"content-type": kind})
        assert page.status_code == status
    assert await responses(service) == []
    assert await service.rows("SELECT 1 FROM feedback.complaint WHERE workspace = :ws") == []


async def test_a_wave_of_its_own(service: Service) -> None:
    survey = await service.survey()
    first = await service.link(survey, user_id="u1")
    await service.answer(first, score="2")
    assert (await service.client.post(f"/v1/surveys/{survey}/waves")).json() == {"wave": 2}
    second = await service.link(survey, user_id="u1")
    assert second != first
    await service.answer(second, score="10")
    await service.answer(first, score="3")
    assert (await service.score(survey))["nps"] == 100
    assert (await service.score(survey, wave=1))["nps"] == -100
