"""Answers, macros, connectors, causes, goodwill: over the API, against a real Postgres."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import pytest
from services.feedback.tests.test_complaints import opened
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.events.message import MessageRequest
from rapport_common.events.topics import MESSAGE_REQUESTS
from rapport_feedback.domain.threads import parted

if TYPE_CHECKING:
    import httpx
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
PERSON = "0190a5c0-0000-7000-8000-000000000001"


async def put(service: Service, path: str, **body: Any) -> None:
    answer = await service.client.put(path, json=body)
    assert answer.status_code == 200, answer.text


async def known(service: Service, email: str = "ada@example.com") -> dict[str, Any]:
    """A case of somebody whom profile has told of."""
    await service.change(
        "INSERT INTO feedback.identity (workspace, kind, value, profile_id) "
        "VALUES (:ws, 'email', :email, :person)",
        email=email,
        person=PERSON,
    )
    made = await service.client.post(
        "/v1/cases", json={"email": email, "subject": "Late", "body": "Very"}
    )
    return dict(made.json())


async def requests(service: Service) -> list[MessageRequest]:
    async with service.engine.begin() as tx:
        found = await waiting(tx, "feedback", MESSAGE_REQUESTS.name)
    told = [msgspec.json.decode(one.value, type=MessageRequest) for one in found]
    return [one for one in told if one.workspace == service.workspace]


async def test_an_answer_is_sent_into_its_thread_once(service: Service) -> None:
    address = f"c{service.workspace[3:]}@shop.example"
    await put(service, f"/v1/complaint-addresses/{address}")
    text = "Sorry, {{ customer.name | default: 'dear customer' }} ({{ case.number }})"
    await put(
        service,
        "/v1/answer-templates/sorry",
        texts={"en": {"text": text}, "de": {"text": "Pardon"}},
    )
    case = await known(service)
    at = f"/v1/cases/{case['id']}/answers"
    seen = await service.client.post(f"{at}/preview", json={"template": "sorry"})
    assert seen.json()["text"] == "Sorry, dear customer (1)"
    assert await requests(service) == [], "nothing is kept"
    for _ in range(2):
        sent = await service.client.post(
            at, json={"template": "sorry"}, headers={"Idempotency-Key": "k"}
        )
        assert sent.status_code == 201, sent.text
    [request] = await requests(service)
    assert (request.to, request.profile_id) == ("ada@example.com", PERSON)
    assert request.subject == "{{ data.subject }}"
    assert "Sorry, dear customer (1)" in request.html
    assert parted(request.reply_to)[0] == address
    assert request.references[0].startswith("<c.")
    told = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    [entry] = told["entries"]
    assert (entry["kind"], entry["data"]["template"]) == ("contact", "sorry")
    german = await service.client.post(
        f"{at}/preview", json={"template": "sorry", "language": "de"}
    )
    assert german.json()["text"] == "Pardon"
    wants = {"language": "de-AT", "reason": "She said so."}
    assert (await service.client.patch(f"/v1/cases/{case['id']}", json=wants)).status_code == 200
    hers = await service.client.post(f"{at}/preview", json={"template": "sorry"})
    assert hers.json()["text"] == "Pardon"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"template": "none"}, 404),
        ({"text": "{{ nobody.x | nofilter }}"}, 422),
        ({"text": "x" * 20_000}, 422),
    ],
)
async def test_what_is_no_answer(service: Service, body: dict[str, Any], status: int) -> None:
    case = await opened(service)
    answer = await service.client.post(f"/v1/cases/{case['id']}/answers", json=body)
    assert answer.status_code == status, answer.text


async def test_nobody_is_written_to_who_has_no_address(service: Service) -> None:
    case = await opened(service)
    at = f"/v1/cases/{case['id']}/answers"
    assert (await service.client.post(at, json={"text": "Sorry"})).status_code == 409
    unknown = await opened(service, email="new@example.com")
    at = f"/v1/cases/{unknown['id']}/answers"
    assert (await service.client.post(at, json={"text": "Sorry"})).status_code == 409
    assert await requests(service) == []
    told = (await service.client.get(f"/v1/cases/{unknown['id']}")).json()
    assert told["entries"] == [], "nobody was told"


async def test_a_macro_does_all_or_nothing(service: Service) -> None:
    await put(
        service,
        "/v1/case-macros/triage",
        set={"severity": "high", "team": "north"},
        note="Looked at",
        states=["acknowledged", "assessed"],
    )
    await put(service, "/v1/case-macros/wrong", set={"team": "south"}, states=["closed"])
    case = await opened(service)
    at = f"/v1/cases/{case['id']}/macros"
    for _ in range(2):
        done = await service.client.post(f"{at}/triage", headers={"Idempotency-Key": "m"})
        assert done.status_code == 201, done.text
    assert (done.json()["state"], done.json()["team"]) == ("assessed", "north")
    version = done.json()["version"]
    refused = await service.client.post(f"{at}/wrong")
    assert refused.status_code == 409
    now = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    assert (now["team"], now["version"]) == ("north", version)
    empty = await service.client.put("/v1/case-macros/empty", json={})
    assert empty.status_code == 422
    dangling = await service.client.put("/v1/case-macros/x", json={"template": "none"})
    assert dangling.status_code == 422


async def test_documents_are_listed_and_archived(service: Service) -> None:
    for name in ("a", "b"):
        await put(service, f"/v1/case-causes/{name}", about="Boxes")
    first = (await service.client.get("/v1/case-causes", params={"limit": 1})).json()
    rest = (await service.client.get("/v1/case-causes", params={"cursor": first["next"]})).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == ["a", "b"]
    async with service.as_operator("*", workspace="elsewhere") as other:
        assert (await other.get("/v1/case-causes/a")).status_code == 404
        assert (await other.delete("/v1/case-causes/a")).status_code == 404
    assert (await service.client.delete("/v1/case-causes/a")).status_code == 204
    assert (await service.client.get("/v1/case-causes/a")).status_code == 404
    await put(service, "/v1/case-causes/a")
    assert (await service.client.get("/v1/case-causes/a")).json()["version"] == 2
    assert (await service.client.put("/v1/case-causes/A B", json={})).status_code == 404


class Centre:
    """A system that posts."""

    def __init__(self, service: Service, told: dict[str, Any]) -> None:
        self._service = service
        self._path = urlsplit(told["url"]).path
        self._secret = b64decode(told["secret"].removeprefix("whsec_"))

    async def posts(self, content: Any, *, secret: bytes = b"") -> httpx.Response:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        at = str(int(clock.now().timestamp()))
        signed = hmac_digest(secret or self._secret, f"m.{at}.".encode() + raw, "sha256")
        headers = {
            "webhook-id": "m",
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{b64encode(signed).decode()}",
        }
        return await self._service.client.post(self._path, content=raw, headers=headers)


async def centre(service: Service, name: str) -> Centre:
    library = (await service.client.get("/v1/connector-library")).json()["items"]
    [document] = [one["document"] for one in library if one["name"] == name]
    await put(service, f"/v1/connectors/{name}", **document)
    told = (await service.client.get(f"/v1/connectors/{name}")).json()
    return Centre(service, told)


async def test_a_call_is_a_case_once_for_ever(service: Service) -> None:
    calls = await centre(service, "call_centre")
    post = {"call": {"id": 5, "notes": "Late <script>"}, "customer": {"id": "u9"}}
    results = [(await calls.posts(post)).json()["result"] for _ in range(3)]
    assert results == ["opened", "again", "again"]
    [case] = (await service.client.get("/v1/cases")).json()["items"]
    assert (case["user_id"], case["body"]) == ("u9", "Late <script>")
    seen = await service.client.post("/v1/connectors/call_centre/preview", json={"post": post})
    assert seen.json()["says"]["user_id"] == "u9"


async def test_a_chat_goes_on_with_its_case_and_is_a_claim(service: Service) -> None:
    chat = await centre(service, "chat")
    for number in (1, 2, 2):
        answer = await chat.posts(
            {
                "conversation": {"id": "c1"},
                "message": {"id": number, "content": f"line {number}"},
                "contact": {"email": "ada@example.com"},
            }
        )
        assert answer.status_code == 200, answer.text
    [case] = (await service.client.get("/v1/cases")).json()["items"]
    assert case["email"] is None
    told = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    assert [one["body"] for one in told["messages"]] == ["line 1", "line 2"]


async def test_what_is_written_on_after_closing_is_heard(service: Service) -> None:
    """It opens the case again; when that is too late it is another case under the same id."""
    chat = await centre(service, "chat")

    async def says(number: int) -> tuple[str, int]:
        post = {"conversation": {"id": "c1"}, "message": {"id": number, "content": str(number)}}
        told = (await chat.posts(post)).json()
        return told["result"], told["number"]

    assert await says(1) == ("opened", 1)
    [case] = (await service.client.get("/v1/cases")).json()["items"]
    path = f"/v1/cases/{case['id']}"
    for state in ("acknowledged", "assessed", "investigating", "response_offered", "closed"):
        moved = await service.client.post(f"{path}/state", json={"state": state})
        assert moved.status_code == 200, moved.text
    assert await says(2) == ("continued", 1)
    assert (await service.client.get(path)).json()["state"] == "reopened"
    await service.change(
        "UPDATE feedback.complaint SET state = 'closed', closed_at = now() - interval '91 days' "
        "WHERE workspace = :ws"
    )
    assert await says(3) == ("opened", 2)
    assert await says(4) == ("continued", 2)
    read = await service.rows(
        "SELECT 1 FROM feedback.text_enrichment WHERE workspace = :ws AND source = 'message'"
    )
    assert len(read) == 2, "what goes on with a case is read, too"
    changes = await service.rows("SELECT 1 FROM feedback.case_change WHERE workspace = :ws")
    assert len(changes) == 9, "and live views are told of it"


async def test_posts_of_others_are_refused(service: Service) -> None:
    calls = await centre(service, "call_centre")
    post = {"call": {"id": 5, "notes": "x"}}
    assert (await calls.posts(post, secret=b"x")).status_code == 401
    assert (await calls.posts(b"no json")).status_code == 422
    assert (await calls.posts(b"[" * 5000)).status_code == 422
    assert (await calls.posts({"call": {}})).status_code == 422
    assert (await service.client.post("/connect/x")).status_code == 404
    document = (await service.client.get("/v1/connectors/call_centre")).json()["document"]
    await put(service, "/v1/connectors/call_centre", **{**document, "generation": 2})
    assert (await calls.posts(post)).status_code == 401, "another secret by now"
    assert (await service.client.delete("/v1/connectors/call_centre")).status_code == 204
    assert (await calls.posts(post)).status_code == 404
    assert (await service.client.get("/v1/cases")).json()["items"] == []


async def test_goodwill_is_given_once_within_limits_and_told(service: Service) -> None:
    case = await opened(service)
    at = f"/v1/cases/{case['id']}/goodwill"
    gift = {"kind": "refund", "amount": "12.50", "currency": "EUR", "reason": "late"}
    assert (await service.client.post(at, json=gift)).status_code == 404, "no such reason"
    await put(service, "/v1/case-reasons/late")
    await put(service, "/v1/goodwill-limits/all", actors=["*"], currency="EUR", per_case="20")
    for _ in range(2):
        made = await service.client.post(at, json=gift, headers={"Idempotency-Key": "g"})
        assert made.status_code == 201, made.text
    refused = await service.client.post(at, json=gift)
    assert (refused.status_code, refused.json()["code"]) == (403, "goodwill_limit")
    assert "7.5" in refused.json()["message"]
    points = {**gift, "kind": "points", "amount": 500, "cost": "5"}
    assert (await service.client.post(at, json=points)).status_code == 201
    coupon = await service.client.post(at, json={**gift, "kind": "coupon"})
    assert coupon.status_code == 422, "no code"
    events = [one for one in await service.events() if one.name == "Goodwill Given"]
    assert [one.identifiers for one in events] == [[("user_id", "u1")]] * 2
    assert b'"cost":"12.50"' in bytes(events[0].properties)
    sums = (await service.client.get("/v1/goodwill-totals")).json()["items"]
    assert [(one["kind"], one["gifts"], one["cost"]) for one in sums] == [
        ("points", 1, "5"),
        ("refund", 1, "12.50"),
    ]
    later = {"since": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    assert (await service.client.get("/v1/goodwill-totals", params=later)).json()["items"] == []
    kept = (await service.client.get(at)).json()["items"]
    assert len(kept) == 2
    ledger = (await service.client.get("/v1/ledger")).json()
    assert ledger["goodwill"] >= 2


async def test_causes_actions_and_their_effect(service: Service) -> None:
    await put(service, "/v1/case-causes/boxes")
    done = clock.now().date() - timedelta(weeks=4)
    for weeks, cases in ((-2, 6), (-1, 5), (0, 0), (1, 1), (2, 0), (3, 0)):
        for _ in range(cases):
            case = await opened(service)
            answer = await service.client.put(
                f"/v1/cases/{case['id']}/cause", json={"cause": "boxes"}
            )
            assert answer.status_code == 200, answer.text
            await service.change(
                "UPDATE feedback.complaint SET opened_at = CAST(:day AS date) "
                "WHERE workspace = :ws AND case_id = CAST(CAST(:id AS text) AS uuid)",
                day=done + timedelta(weeks=weeks, days=1),
                id=case["id"],
            )
    at = f"/v1/cases/{case['id']}/cause"
    assert (await service.client.get(at)).json()["cause"] == "boxes"
    assert (await service.client.put(at, json={"cause": "none"})).status_code == 404
    body = {"cause": "boxes", "title": "Stronger boxes", "owner": "ann"}
    made = (await service.client.post("/v1/corrective-actions", json=body)).json()
    one = f"/v1/corrective-actions/{made['id']}"
    early = (await service.client.get(f"{one}/effect")).json()
    assert early["says"] == "too_early"
    changed = await service.client.patch(one, json={"done_on": done.isoformat()})
    assert changed.json()["done_on"] == done.isoformat()
    found = (await service.client.get(f"{one}/effect", params={"weeks": 4})).json()
    assert (found["cases_before"], found["cases_after"]) == ([0, 0, 6, 5], [0, 1, 0, 0])
    assert found["high"] > found["ratio"] > found["low"]
    by_orders = {"weeks": 4, "orders_before": 1000, "orders_after": 10}
    assert (await service.client.get(f"{one}/effect", params=by_orders)).json()["says"] != "fewer"
    listed = (await service.client.get("/v1/corrective-actions", params={"cause": "boxes"})).json()
    assert [each["id"] for each in listed["items"]] == [made["id"]]
    async with service.as_operator("*", workspace="elsewhere") as other:
        assert (await other.get(f"{one}/effect")).status_code == 404
    assert (await service.client.delete(one)).status_code == 204
    assert (await service.client.patch(one, json={"owner": "b"})).status_code == 404
