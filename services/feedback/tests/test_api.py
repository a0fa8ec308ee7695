"""The operator API: scopes, workspaces, and no 5xx whatever comes in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

SURVEY = {"name": "n", "kind": "nps", "question": "q"}
NOBODY = "20675d4b-174e-4620-9a44-655bafaab515"
JSON = {"content-type": "application/json"}
CASE = {"user_id": "u", "subject": "s", "body": "b"}
STRINGS: list[Any] = [
    "",
    " ",
    "a\0b",
    "x" * 100_000,
    None,
    0,
    10**400,
    1e308,
    True,
    [],
    ["a"],
    {},
    {"$gt": ""},
    "\ud800",
    "\U0010ffff" * 10_001,
]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/surveys", "feedback:write"),
        ("GET", "/v1/surveys", "feedback:read"),
        ("GET", "/v1/surveys/{id}", "feedback:read"),
        ("GET", "/v1/surveys/{id}/score", "feedback:read"),
        ("GET", "/v1/surveys/{id}/trend", "feedback:read"),
        ("GET", "/v1/surveys/{id}/trend/page", "feedback:read"),
        ("GET", "/v1/surveys/{id}/responses", "feedback:read"),
        ("GET", "/v1/surveys/{id}/versions", "feedback:read"),
        ("PUT", "/v1/surveys/{id}/form", "feedback:write"),
        ("POST", "/v1/surveys/{id}/links", "feedback:write"),
        ("PATCH", "/v1/surveys/{id}", "feedback:write"),
        ("DELETE", "/v1/surveys/{id}", "feedback:write"),
        ("POST", "/v1/surveys/{id}/waves", "feedback:write"),
        ("POST", "/v1/surveys/{id}/invitations", "feedback:write"),
        ("POST", "/v1/cases", "feedback:write"),
        ("GET", "/v1/cases", "feedback:read"),
        ("GET", "/v1/cases/{id}", "feedback:read"),
        ("POST", "/v1/cases/{id}/state", "feedback:write"),
        ("GET", "/v1/ledger", "ops"),
    ],
)
async def test_each_route_needs_its_scope(
    service: Service, method: str, path: str, scope: str
) -> None:
    address = path.format(id=uuid4())
    others = {"feedback:write", "feedback:read", "ops", "campaigns:write"} - {scope}
    async with service.as_operator(*others) as client:
        assert (await client.request(method, address)).status_code == 403
    async with service.as_operator(scope) as client:
        assert (await client.request(method, address)).status_code not in {401, 403}
        nobody = await client.request(method, address, headers={"Authorization": ""})
        assert nobody.status_code == 401


async def test_no_workspace_sees_anothers(service: Service) -> None:
    survey = await service.survey()
    case = (await service.client.post("/v1/cases", json=CASE)).json()["id"]
    async with service.as_operator("*", workspace="another") as stranger:
        for path in (
            f"/v1/surveys/{survey}",
            f"/v1/surveys/{survey}/score",
            f"/v1/surveys/{survey}/score?wave=1",
            f"/v1/cases/{case}",
        ):
            assert (await service.client.get(path)).status_code == 200
            assert (await stranger.get(path)).status_code == 404
        for path, body in (
            (f"/v1/surveys/{survey}/waves", {}),
            (f"/v1/surveys/{survey}/invitations", {"user_id": "u"}),
            (f"/v1/cases/{case}/state", {"state": "acknowledged"}),
        ):
            assert (await stranger.post(path, json=body)).status_code == 404
        assert (await stranger.get("/v1/surveys")).json() == {"items": [], "next": None}
        assert (await stranger.get("/v1/cases")).json() == {"items": [], "next": None}


async def test_a_survey_is_renamed_and_archived(service: Service) -> None:
    """An archived survey takes no new invitations; the links that are out stay good."""
    survey, other = await service.survey(), await service.survey("Another?")
    path = f"/v1/surveys/{survey}"
    link = await service.link(survey, user_id="u1")
    assert (await service.client.patch(path, json={"name": "Spring"})).json()["name"] == "Spring"
    assert (await service.client.delete(path)).status_code == 204
    archived = (await service.client.get(path)).json()
    assert archived["archived_at"]
    assert (await service.client.delete(path)).status_code == 204
    assert (await service.client.get(path)).json() == archived
    refused = [
        await service.client.patch(path, json={"name": "x"}),
        await service.client.post(f"{path}/waves"),
        await service.client.post(f"{path}/invitations", json={"user_id": "u2"}),
    ]
    assert {(one.status_code, one.json()["code"]) for one in refused} == {(409, "archived")}
    assert (await service.answer(link, score=9)).status_code == 200
    ids = [
        [one["id"] for one in (await service.client.get(f"/v1/surveys{query}")).json()["items"]]
        for query in ("", "?archived=true")
    ]
    assert ids == [[other], [survey]]


async def test_surveys_are_listed_in_pages(service: Service) -> None:
    made = [await service.survey(f"{number}?") for number in range(3)]
    first = (await service.client.get("/v1/surveys?limit=2")).json()
    rest = (await service.client.get(f"/v1/surveys?limit=2&cursor={first['next']}")).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


async def test_a_survey_is_shown_as_made(service: Service) -> None:
    survey = await service.survey("How likely?")
    shown = (await service.client.get(f"/v1/surveys/{survey}")).json()
    assert (shown["id"], shown["question"], shown["wave"]) == (survey, "How likely?", 1)
    (listed,) = (await service.client.get("/v1/surveys")).json()["items"]
    assert listed.items() <= shown.items()


async def test_a_score_stands_on_its_numbers(service: Service) -> None:
    survey = await service.survey()
    nobody = await service.score(survey)
    nothing = {"nps": None, "score": None, "low": None, "high": None, "rate": None, "change": None}
    zeros = dict.fromkeys(("promoters", "passives", "detractors", "n", "invited"), 0)
    assert {"wave": 1, "unit": "nps", **nothing, **zeros}.items() <= nobody.items()
    for number, score in enumerate([10, 9, 8, 3]):
        path = await service.link(survey, user_id=f"u{number}")
        await service.answer(path, score=str(score))
    await service.link(survey, user_id="silent")
    shown = await service.score(survey)
    assert (shown["nps"], shown["n"], shown["invited"]) == (25, 4, 5)
    assert (shown["promoters"], shown["passives"], shown["detractors"]) == (2, 1, 1)
    assert shown["low"] < 25 < shown["high"]


@pytest.mark.parametrize("value", STRINGS, ids=range(len(STRINGS)))
async def test_bad_values_are_the_callers_error(service: Service, value: Any) -> None:
    survey, case = await service.survey(), str(uuid4())
    requests = [
        *(("/v1/surveys", {**SURVEY, field: value}) for field in SURVEY),
        *(("/v1/cases", {**CASE, field: value}) for field in CASE),
        (f"/v1/cases/{case}/state", {"state": value}),
        (f"/v1/cases/{case}/state", {"state": "closed", "note": value}),
        (f"/v1/surveys/{survey}/invitations", {"email": value}),
        (f"/v1/surveys/{survey}/invitations", {"anonymous_id": value}),
        ("/v1/cases", value),
    ]
    for path, body in requests:
        answer = await service.client.post(path, content=as_json(body), headers=JSON)
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
        assert set(answer.json()) == {"code", "message", "details"}


def as_json(body: Any) -> bytes:
    """As only a careless client writes it: httpx would refuse a lone surrogate."""
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"name": NaN}', b'{"a\\ud800": 1}', b"null", b'"x"'],
)
async def test_what_is_no_body_is_the_callers_error(service: Service, content: bytes) -> None:
    for path in ("/v1/surveys", "/v1/cases"):
        answer = await service.client.post(path, content=content, headers=JSON)
        assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("wrong", ["x", "0", "%00", "ü", "..", "a" * 3000, NOBODY])
async def test_an_id_that_nothing_has_is_not_found(service: Service, wrong: str) -> None:
    for path in (f"/v1/surveys/{wrong}", f"/v1/surveys/{wrong}/score", f"/v1/cases/{wrong}"):
        assert (await service.client.get(path)).status_code == 404, path


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "9" * 30},
        {"cursor": "9" * 30},
        {"cursor": "x\0"},
        {"state": "nowhere"},
        {"state": "\0"},
        {"overdue": "perhaps"},
    ],
)
async def test_a_bad_query_is_the_callers_error(service: Service, query: dict[str, str]) -> None:
    assert (await service.client.get("/v1/cases", params=query)).status_code == 422


async def test_a_placeholder_is_nobody_s_link(service: Service) -> None:
    """Else strangers would share a link, and with it an answer."""
    path = f"/v1/surveys/{await service.survey()}/invitations"
    refused = await service.client.post(path, json={"user_id": "null", "anonymous_id": "0"})
    assert refused.status_code == 422
    assert "no person is named by 'null' and '0'" in refused.text
    links = set()
    for name in ("ada", "bob"):
        body = {"user_id": "undefined", "email": f"{name}@example.com"}
        invited = await service.client.post(path, json=body)
        assert invited.status_code == 201
        links.add(invited.text)
    assert len(links) == 2
    case = await service.client.post("/v1/cases", json={**CASE, "user_id": "test"})
    assert case.status_code == 422


@pytest.mark.parametrize("wave", ["0", "-1", "x", "9" * 30])
async def test_a_bad_wave_is_the_callers_error(service: Service, wave: str) -> None:
    survey = await service.survey()
    got = await service.client.get(f"/v1/surveys/{survey}/score", params={"wave": wave})
    assert got.status_code == 422


async def test_a_wave_that_never_was_has_no_score(service: Service) -> None:
    survey = await service.survey()
    got = await service.client.get(f"/v1/surveys/{survey}/score", params={"wave": 2})
    assert (got.status_code, got.json()["details"]) == (404, {"wave": 2, "current": 1})


async def test_the_ledger_adds_up(service: Service) -> None:
    before = (await service.client.get("/v1/ledger")).json()
    survey = await service.survey()
    path = await service.link(survey, user_id="u")
    await service.answer(path, score="1")
    await service.answer(path, comment="c")
    await service.client.post(f"{path}/complaint", data={"subject": "s", "body": "b"})
    after = (await service.client.get("/v1/ledger")).json()
    grown = {key: after[key] - before[key] for key in after if isinstance(after[key], int)}
    assert grown == {
        "persons": 0,
        "lacking": 0,
        "invitations": 1,
        "responses": 1,
        "answers": 2,
        "cases": 1,
        "outbox_refused": 0,
        "open_cases": 1,
        "case_steps": 1,
        "case_breaches": 0,
        "case_notices": 0,
        "case_verifications": 0,
        "goodwill": 0,
        "outbox": 3,
    }
    assert set(after) >= {"consumed", "dead_letters", "tallies"}


async def test_the_description_of_the_api_can_be_read(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()
    assert "/v1/cases/{case_id}/state" in described["paths"]
