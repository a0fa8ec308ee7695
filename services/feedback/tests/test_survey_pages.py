"""A form is answered page by page: partly, again, by two tabs, over an edit, past a quota."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

NASTY = "<script>alert(1)</script>"
FORM: dict[str, Any] = {
    "languages": ["en", "de"],
    "traits": ["name"],
    "pages": [
        {
            "id": "likely",
            "questions": [
                {
                    "kind": "nps",
                    "id": "score",
                    "required": True,
                    "text": {"en": "How likely, {{ trait.name }}?", "de": "Wie wahrscheinlich?"},
                }
            ],
            "next": [{"if": {"answer": "score", "op": "gte", "value": 9}, "to": "end"}],
        },
        {
            "id": "why",
            "title": {"en": "You said {{ answer.score }}", "de": "Sie sagten {{ answer.score }}"},
            "questions": [
                {
                    "kind": "choice",
                    "id": "what",
                    "text": {"en": "What was it?"},
                    "required": True,
                    "options": [
                        {"id": "price", "text": "Price"},
                        {"id": "other", "text": "Another", "other": True},
                    ],
                },
                {"kind": "text", "id": "comment", "text": {"en": "Why?"}, "longest": 50},
            ],
        },
        {"id": "more", "questions": [{"kind": "date", "id": "day", "text": {"en": "When?"}}]},
    ],
}


async def made(service: Service, **more: Any) -> str:
    body = {"name": "Form", "form": {**FORM, **more}}
    told = await service.client.post("/v1/surveys", json=body)
    assert told.status_code == 201, told.text
    return str(told.json()["id"])


async def stored(service: Service) -> list[dict[str, Any]]:
    return await service.rows(
        "SELECT score, comment, answers::text AS answers, words::text AS words, state, revision, "
        "version, done FROM feedback.response WHERE workspace = :ws ORDER BY response_id"
    )


def page_of(told: httpx.Response) -> str:
    """The page that a form names, where its answers go."""
    found = re.search(r'name="_page" value="(\w+)"', told.text)
    return found[1] if found else ""


async def test_a_form_is_answered_page_by_page_and_gone_on_with(service: Service) -> None:
    survey = await made(service)
    path = await service.link(survey, user_id="u1", traits={"name": NASTY})
    first = await service.client.get(path)
    assert page_of(first) == "likely"
    assert "How likely, \u2068&lt;script&gt;" in first.text
    assert len(first.content) < 50_000
    pressed = await service.answer(path, _page="likely", score="3")
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"./{path.split('/')[-1]}")
    assert pressed.headers["referrer-policy"] == "no-referrer"
    second = await service.client.get(path)
    assert page_of(second) == "why"
    assert "You said \u20683\u2069" in second.text
    refused = await service.answer(path, _page="why", comment="x" * 60)
    assert refused.status_code == 422
    assert refused.text.count('aria-invalid="true"') == 1
    assert 'href="#f-what"' in refused.text
    assert "x" * 60 in refused.text
    await service.answer(path, _page="why", what="other", **{"what.other": "Noise"}, comment="Loud")
    assert page_of(await service.client.get(path)) == "more"
    await service.answer(path, _page="more", day="2026-01-31")
    assert "Thank you for your answers" in (await service.client.get(path)).text
    (row,) = await stored(service)
    assert (row["score"], row["comment"], row["state"], row["revision"]) == (
        3,
        "Loud",
        "complete",
        3,
    )
    assert msgspec.json.decode(row["answers"]) == {"what": "other"}
    assert msgspec.json.decode(row["words"]) == {"what.other": "Noise", "day": "2026-01-31"}
    told = [msgspec.json.decode(one.properties) for one in await service.events()]
    assert [one["state"] for one in told] == ["open", "open", "complete"]
    assert told[-1]["answers"] == [
        {"question": "score", "kind": "nps", "value": 3, "score": 3},
        {"question": "what", "kind": "choice", "value": "other", "other": "Noise"},
        {"question": "comment", "kind": "text", "value": "Loud"},
        {"question": "day", "kind": "date", "value": "2026-01-31"},
    ]


async def test_back_another_tab_and_a_press_twice_do_no_harm(service: Service) -> None:
    path = await service.link(await made(service), user_id="u1")
    early = await service.answer(path, _page="more", day="2026-01-31")
    assert early.status_code == 422
    both = [service.answer(path, _page="likely", score="3") for _ in range(5)]
    assert {one.status_code for one in await asyncio.gather(*both)} == {303}
    assert len(await service.events()) == 1
    await service.answer(path, _page="why", what="price")
    back = await service.client.get(f"{path}?page=likely")
    assert page_of(back) == "likely"
    assert re.search(r'value="3" id="f-score-3" checked', back.text)
    # Another way now: what was said on the first one is no answer any more.
    await service.answer(path, _page="likely", score="10")
    assert "Thank you for your answers" in (await service.client.get(path)).text
    await service.answer(path, _page="why", what="price")
    (row,) = await stored(service)
    assert (row["score"], row["answers"], row["done"]) == (10, "{}", ["likely"])
    assert (await service.client.get(f"{path}?page=more")).status_code == 200


async def test_a_score_pressed_in_a_mail_waits_for_one_press(service: Service) -> None:
    path = await service.link(await made(service), user_id="u1")
    page = await service.client.get(f"{path}?score=9")
    assert 'value="9" id="f-score-9" checked' in page.text
    assert '" checked' not in (await service.client.get(f"{path}?score=99&score[]=1")).text
    simple = await service.link(await service.survey(), user_id="u1")
    waiting = await service.client.get(f"{simple}?score=9")
    assert "Send this answer" in waiting.text
    assert await stored(service) == []
    assert await service.events() == []


async def test_who_has_begun_finishes_the_version_they_began(service: Service) -> None:
    survey = await made(service)
    path, other = [await service.link(survey, user_id=one) for one in ("u1", "u2")]
    await service.answer(path, _page="likely", score="3")
    changed = {**FORM, "pages": [FORM["pages"][0] | {"next": []}, FORM["pages"][2]]}
    told = await service.client.put(f"/v1/surveys/{survey}/form", json={"form": changed})
    assert (told.status_code, told.json()["version"]) == (200, 2)
    again = await service.client.put(f"/v1/surveys/{survey}/form", json={"form": changed})
    assert again.json()["version"] == 2
    listed = (await service.client.get(f"/v1/surveys/{survey}/versions")).json()["items"]
    assert [(one["version"], one["actor"]) for one in listed] == [(2, "ann"), (1, "ann")]
    assert page_of(await service.client.get(path)) == "why"
    # The page of this one was open while the form was changed: it begins what is asked now.
    await service.answer(other, _page="likely", score="3", _v="1")
    assert page_of(await service.client.get(other)) == "more"
    assert {row["version"] for row in await stored(service)} == {1, 2}
    wrong = {**FORM, "pages": [FORM["pages"][2]]}
    refused = await service.client.put(f"/v1/surveys/{survey}/form", json={"form": wrong})
    assert refused.status_code == 422
    assert refused.json()["details"]["problems"][0]["path"] == "form.pages"


async def test_a_quota_by_what_was_not_asked_yet_turns_nobody_away(service: Service) -> None:
    rest = {"if": {"not": {"answer": "what", "op": "eq", "value": "price"}}, "id": "r", "limit": 1}
    survey = await made(service, quotas=[rest])
    for user, what, state in (
        ("a", "other", "complete"),
        ("b", "price", "complete"),
        ("c", "other", "full"),
    ):
        path = await service.link(survey, user_id=user)
        await service.answer(path, _page="likely", score="0")
        await service.answer(path, _page="why", what=what)
        await service.answer(path, _page="more")
        assert [row["state"] for row in await stored(service)].count(state) >= 1
    assert sorted(row["state"] for row in await stored(service)) == ["complete", "complete", "full"]


async def test_no_quota_is_exceeded_whoever_comes_at_once(service: Service) -> None:
    price = {"if": {"answer": "what", "op": "eq", "value": "price"}, "id": "price", "limit": 2}
    survey = await made(service, quotas=[{"id": "all", "limit": 3}, price])
    paths = [await service.link(survey, user_id=f"u{number}") for number in range(6)]

    async def whole(path: str, what: str) -> None:
        await service.answer(path, _page="likely", score="0")
        await service.answer(path, _page="why", what=what)
        await service.answer(path, _page="more")

    told = ["price", "other"] * 3
    await asyncio.gather(*(whole(*one) for one in zip(paths, told, strict=True)))
    states = [row["state"] for row in await stored(service)]
    assert sorted(states) == ["complete"] * 3 + ["full"] * 3
    shown = (await service.client.get(f"/v1/surveys/{survey}")).json()["quotas"]
    assert (shown[0]["id"], shown[0]["taken"]) == ("all", 3)
    assert shown[1]["taken"] <= 2
    assert (await service.score(survey))["n"] == 3
    late = await service.link(survey, user_id="late")
    assert "We have enough answers" in (await service.client.get(late)).text
    # Their page was open when the last place was taken: what they said is kept, and not counted.
    await service.answer(late, _page="likely", score="10")
    assert "We have enough answers" in (await service.client.get(late)).text
    assert (await service.score(survey))["n"] == 3


async def test_no_version_of_before_is_a_way_past_a_quota(service: Service) -> None:
    survey = await made(service)
    paths = [await service.link(survey, user_id=one) for one in ("u1", "u2")]
    changed = {
        **FORM,
        "pages": [FORM["pages"][0] | {"next": []}],
        "quotas": [{"id": "q", "limit": 1}],
    }
    assert (
        await service.client.put(f"/v1/surveys/{survey}/form", json={"form": changed})
    ).status_code == 200
    for path in paths:
        await service.answer(path, _page="likely", score="10", _v="1")
    found = [(row["version"], row["state"]) for row in await stored(service)]
    assert sorted(found) == [(2, "complete"), (2, "full")]


async def test_who_is_not_asked_further_is_not_in_the_score(service: Service) -> None:
    pages = [
        FORM["pages"][0]
        | {"next": [{"if": {"answer": "score", "op": "eq", "value": 0}, "to": "screened"}]},
        *FORM["pages"][1:],
    ]
    survey = await made(service, pages=pages, ends={"screened": {"en": "Not this time."}})
    path = await service.link(survey, user_id="u1")
    await service.answer(path, _page="likely", score="0")
    assert "Not this time." in (await service.client.get(path)).text
    await service.answer(path, _page="likely", score="5")
    assert [(row["score"], row["state"]) for row in await stored(service)] == [(0, "screened")]
    assert (await service.score(survey))["n"] == 0


async def test_all_on_one_page_and_by_a_program(service: Service) -> None:
    pages = [{**one, "next": [], "title": None} for one in FORM["pages"]]
    survey = await made(
        service,
        pages=[{k: v for k, v in one.items() if v is not None} for one in pages],
        layout="all",
    )
    path = await service.link(survey, user_id="u1")
    assert (await service.client.get(path)).text.count("<fieldset") == 2
    refused = await service.client.post(
        path, json={"what": "price"}, headers={"Accept": "application/json"}
    )
    assert (refused.status_code, refused.json()["details"]["problems"][0]["path"]) == (422, "score")
    told = {"score": 8, "what": "price", "comment": NASTY, "day": None}
    assert (await service.client.post(path, json=told)).status_code == 303
    assert [row["state"] for row in await stored(service)] == ["complete"]
    many: list[dict[str, Any]] = [
        {"what": ["price"] * 600},
        {f"a{number}": "1" for number in range(600)},
        {"m": {f"r{number}": "1" for number in range(600)}},
    ]
    for body in many:
        assert (await service.client.post(path, json={**told, **body})).status_code == 422
    assert "Thank you for your answers" in (await service.client.get(path)).text
    assert NASTY not in (await service.client.get(f"{path}?page=likely")).text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"score=1&comment=" + b"x" * 1_000_000, 413),
        (b"&".join(b"a=1" for _ in range(600)), 422),
        (b"_page=%00&score=1", 422),
        ("_page=likely&score=1&x=\u202e".encode(), 303),
        (b"_page=likely&score=%ff", 422),
    ],
)
async def test_what_nobody_would_send_has_a_defined_end(
    service: Service, content: bytes, status: int
) -> None:
    path = await service.link(await made(service), user_id="u1")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await service.client.post(path, content=content, headers=headers)).status_code == status


async def test_who_was_forgotten_between_two_pages_leaves_no_word(service: Service) -> None:
    path = await service.link(await made(service), user_id="u1")
    await service.answer(path, _page="likely", score="3")
    # What an erasure does to the link, when it comes first.
    await service.change(
        "UPDATE feedback.response SET kind = 'erased', value = response_id::text "
        "WHERE workspace = :ws"
    )
    late = await service.answer(path, _page="why", what="price", comment="me")
    assert late.status_code == 422
    await service.change("UPDATE feedback.invitation SET expires_at = now() WHERE workspace = :ws")
    assert (await service.answer(path, _page="likely", score="3")).status_code == 410
    assert [row["comment"] for row in await stored(service)] == [""]
