"""The routes over HTTP: who may send and ask, what is answered, what is in Kafka afterwards."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.waiting import HANG_SECONDS

from rapport_common import bodies, clock
from rapport_common.events.envelope import Event
from rapport_ingest.domain.event import judge
from rapport_ingest.handlers import accept
from rapport_ingest.routes import KINDS

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest, Start

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
BODIES: dict[str, dict[str, Any]] = {
    "track": {"userId": "u-1", "event": "Viewed"},
    "identify": {"userId": "u-1", "traits": {"email": "Ada@Example.com"}},
    "page": {"anonymousId": "a-1", "name": "Home"},
    "screen": {"anonymousId": "a-1"},
    "group": {"userId": "u-1", "groupId": "g-1"},
    "alias": {"userId": "u-1", "previousId": "a-1"},
}


@pytest.fixture
def ingest(standing_ingest: "Ingest") -> "Ingest":
    """These only ask."""
    return standing_ingest


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("letters", [1, 9])
async def test_each_route_takes_its_type(
    ingest: "Ingest", log_of: Log, kind: str, letters: int
) -> None:
    answer = await ingest.send(f"/v1/{kind[:letters]}", {**BODIES[kind], "messageId": "m-1"})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "accepted": 1,
        "rejected": 0,
        "results": [{"message_id": "m-1", "status": "accepted"}],
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    [record] = await log_of(ingest.workspace)
    event = msgspec.json.decode(msgspec.json.encode(record), type=Event)
    assert (event.type, event.source, event.message_id) == (kind, ingest.source, "m-1")


async def test_one_bad_event_of_a_batch_costs_no_other(ingest: "Ingest", log_of: Log) -> None:
    body = b"""{"sentAt": "2026-01-01T00:00:00Z", "batch": [
        {"type": "track", "event": "x", "userId": "u", "messageId": "1"},
        {"type": "track", "userId": "u", "messageId": "2"},
        {"type": "track", "event": "x", "userId": "u", "messageId": "3", "properties": {"n": NaN}},
        {"type": "track", "event": "x", "userId": "u", "messageId": "4"}]}"""
    answer = await ingest.send("/v1/batch", body, **{"Content-Type": "text/plain"})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["accepted"], shown["rejected"]) == (2, 2)
    assert [(one["message_id"], one["status"], one.get("code")) for one in shown["results"]] == [
        ("1", "accepted", None),
        ("2", "rejected", "missing_field"),
        ("3", "rejected", "invalid_json"),
        ("4", "accepted", None),
    ]
    assert {one["message_id"] for one in await log_of(ingest.workspace)} == {"1", "4"}
    kept = (await ingest.get("/v1/quarantine"))["items"]
    assert [(one["message_id"], one["path"]) for one in kept] == [("3", ""), ("2", "event")]
    assert '"n": NaN' in kept[0]["body"]


@pytest.mark.parametrize("number", ["9" * 400, "1" + "0" * 308])
async def test_a_time_that_is_no_number_of_anybodys_costs_no_other(
    ingest: "Ingest", log_of: Log, number: str
) -> None:
    body = f"""{{"sentAt": {number}, "batch": [
        {{"type": "track", "event": "x", "userId": "u", "messageId": "1"}},
        {{"type": "track", "event": "x", "userId": "u", "messageId": "2", "timestamp": {number}}}
        ]}}"""
    answer = await ingest.send("/v1/batch", body.encode())
    assert answer.status_code == 200, answer.text
    shown = [(one["status"], one.get("code")) for one in answer.json()["results"]]
    assert shown == [("accepted", None), ("rejected", "invalid_timestamp")]
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["1"]


async def test_what_breaks_something_of_ours_costs_no_other_and_is_kept(
    ingest: "Ingest", log_of: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(raw: msgspec.Raw, *rest: Any) -> Any:
        if b"breaks" in bytes(raw):
            raise KeyError("breaks")
        return judge(raw, *rest)

    monkeypatch.setattr(accept, "judge", broken)
    body = b"""{"batch": [
        {"type": "track", "event": "x", "userId": "u", "messageId": "1"},
        {"type": "track", "event": "breaks", "userId": "u", "messageId": "2"}]}"""
    answer = await ingest.send("/v1/batch", body)
    assert [one.get("code") for one in answer.json()["results"]] == [None, "internal"]
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["1"]
    [kept] = (await ingest.get("/v1/quarantine"))["items"]
    assert (kept["code"], "breaks" in kept["body"]) == ("internal", True)


async def test_a_single_bad_event_is_a_400_that_says_where_and_is_kept(ingest: "Ingest") -> None:
    answer = await ingest.send("/v1/track", {"event": "x", "userId": [], "messageId": "m-9"})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "invalid_type",
        "message": "userId must be a string.",
        "details": {"path": "userId", "message_id": "m-9"},
    }
    where = (await ingest.client.get("/v1/events/m-9", headers=ingest.basic)).json()
    assert (where["status"], where["code"], where["path"]) == ("rejected", "invalid_type", "userId")


async def test_the_key_may_stand_in_four_places(ingest: "Ingest") -> None:
    body = BODIES["track"]
    for headers, extra in (
        (ingest.basic, {}),
        ({"Authorization": f"Bearer {ingest.key}"}, {}),
        ({"X-Write-Key": ingest.key}, {}),
        ({}, {"writeKey": ingest.key}),
        ({"Authorization": "Basic Og=="}, {"writeKey": ingest.key}),
    ):
        answer = await ingest.client.post("/v1/track", json={**body, **extra}, headers=headers)
        assert answer.status_code == 200, (headers, answer.text)
    batch = {"batch": [{"type": "track", **body}], "writeKey": ingest.key}
    assert (await ingest.client.post("/v1/batch", json=batch)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Write-Key": "rk_000000000000_00000000000000000000000000000000"},
        {"X-Write-Key": "something"},
        {"Authorization": "Basic %%%"},
    ],
)
@pytest.mark.parametrize("body", [b'{"userId":"u","event":"x"}', b"not json", b"[1]"])
async def test_without_a_known_key_nothing_is_taken(
    ingest: "Ingest", log_of: Log, headers: dict[str, str], body: bytes
) -> None:
    for path in ("/v1/track", "/v1/batch"):
        answer = await ingest.client.post(path, content=body, headers=headers)
        assert answer.status_code == 401, answer.text
        assert {"code", "message", "details"} == set(answer.json())
        assert answer.headers["access-control-allow-origin"] == "*"
    assert await log_of(ingest.workspace) == []


async def test_a_forged_secret_of_a_real_key_is_refused(ingest: "Ingest") -> None:
    forged = ingest.key[:-1] + ("0" if ingest.key[-1] != "0" else "1")
    answer = await ingest.client.post("/v1/track", json={}, headers={"X-Write-Key": forged})
    assert answer.status_code == 401


async def test_bodies_are_unpacked_whatever_the_content_type(ingest: "Ingest", log_of: Log) -> None:
    packed = gzip.compress(b'{"userId":"u","event":"x","messageId":"g"}')
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await ingest.send("/v1/track", packed, **form)).status_code == 200
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["g"]


async def test_too_much_is_a_413_before_it_is_unpacked(ingest: "Ingest") -> None:
    bomb = gzip.compress(b"[" * 2**27, compresslevel=1)
    for body in (bomb, b" " * (8 * 2**20 + 1)):
        answer = await ingest.send("/v1/batch", body)
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


async def test_a_body_without_length_is_bounded_too(ingest: "Ingest") -> None:
    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 2**20

    answer = await ingest.client.post("/v1/batch", content=chunks(), headers=ingest.basic)
    assert answer.status_code == 413


async def test_browsers_may_ask_and_other_methods_may_not(ingest: "Ingest") -> None:
    for name in KINDS:
        asked = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "x-own"}
        answer = await ingest.client.options(f"/v1/{name}", headers=asked)
        assert answer.status_code == 200
        allowed = answer.headers["access-control-allow-headers"]
        for header in ("authorization", "content-type", "x-retry-count", "anonymousid", "x-own"):
            assert header in allowed
        assert "POST" in answer.headers["access-control-allow-methods"]
        answer = await ingest.client.get(f"/v1/{name}")
        assert answer.status_code == 405
        assert answer.json()["code"] == "method_not_allowed"


async def test_events_of_one_person_have_one_key_and_it_tells_nothing(ingest: "Ingest") -> None:
    sent = [
        {"type": "track", "event": "x", "userId": "u-1", "anonymousId": f"a-{index}"}
        for index in range(20)
    ]
    assert (await ingest.send("/v1/batch", {"batch": sent})).status_code == 200
    places = set()
    for one in (await ingest.send("/v1/batch", {"batch": sent})).json()["results"]:
        found = await ingest.client.get(f"/v1/events/{one['message_id']}", headers=ingest.basic)
        places.add(found.json()["partition"])
    assert len(places) == 1


async def test_where_is_my_event(ingest: "Ingest") -> None:
    await ingest.send("/v1/track", {**BODIES["track"], "messageId": "a/b c"})
    found = await ingest.client.get("/v1/events/a%2Fb%20c", headers=ingest.basic)
    assert found.status_code == 200, found.text
    shown = found.json()
    assert (shown["status"], shown["source"]) == ("accepted", ingest.source)
    assert shown["offset"] >= 0
    assert shown["received_at"].endswith("Z")
    by_operator = await ingest.get(f"/v1/events/a%2Fb%20c?source={ingest.source}", "events:read")
    assert by_operator == shown


async def test_an_event_that_never_came_is_a_404_that_says_since_when(ingest: "Ingest") -> None:
    found = await ingest.client.get("/v1/events/never", headers=ingest.basic)
    assert found.status_code == 404
    assert found.json()["code"] == "not_found"
    assert found.json()["details"]["complete"] is True
    since = (clock.now() - timedelta(days=30)).isoformat()
    found = await ingest.client.get(
        "/v1/events/never", params={"since": since}, headers=ingest.basic
    )
    searched = str(found.json()["details"]["searched_since"])
    assert searched > clock.iso(clock.now() - timedelta(hours=73))


async def test_the_same_id_of_another_source_or_workspace_is_another_event(
    ingest: "Ingest", start: "Start"
) -> None:
    till = await ingest.add_source("Till 2")
    other = await start(database=ingest.database)
    await ingest.send("/v1/track", {**BODIES["track"], "messageId": "1001"})
    for key in (till["write_key"], other.key):
        found = await ingest.client.get("/v1/events/1001", headers={"X-Write-Key": key})
        assert found.status_code == 404
    answer = await ingest.client.get(f"/v1/events/1001?source={till['id']}", headers=ingest.token())
    assert answer.status_code == 404


async def test_a_mended_event_is_accepted_under_its_old_id(ingest: "Ingest") -> None:
    await ingest.send("/v1/track", {"userId": "u", "messageId": "m"})
    await ingest.send("/v1/track", {"userId": "u", "messageId": "m", "event": "x"})
    found = await ingest.client.get("/v1/events/m", headers=ingest.basic)
    assert found.json()["status"] == "accepted"


# ---- operators


async def test_sources_are_made_once_and_listed_without_their_keys(ingest: "Ingest") -> None:
    again = await ingest.client.post(
        "/v1/sources", json={"name": "web  shop!"}, headers=ingest.token("sources:write")
    )
    assert again.status_code == 409
    await ingest.add_source("微信")
    listed = await ingest.get("/v1/sources", "sources:write")
    assert [one["name"] for one in listed["items"]] == ["微信", "Web Shop"]
    assert "rk_" not in str(listed)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/sources", "sources:write"),
        ("GET", "/v1/sources", "sources:read"),
        ("GET", "/v1/sources", "sources:write"),
        ("GET", "/v1/sources/x", "sources:read"),
        ("GET", "/v1/sources/x/keys", "sources:read"),
        ("GET", "/v1/policy", "sources:read"),
        ("GET", "/v1/events/x", "events:read"),
        ("GET", "/v1/quarantine", "events:read"),
        ("GET", "/v1/ledger", "ops"),
    ],
)
async def test_operators_need_the_scope(
    ingest: "Ingest", method: str, path: str, scope: str
) -> None:
    body = {"name": "x"} if method == "POST" else None
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        (ingest.token("profiles:read"), 403),
    ):
        answer = await ingest.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
    allowed = await ingest.client.request(method, path, json=body, headers=ingest.token(scope))
    assert allowed.status_code in {200, 201, 404}


async def test_one_workspace_sees_nothing_of_another(ingest: "Ingest") -> None:
    await ingest.send("/v1/track", {"messageId": "bad"})
    stranger = ingest.token("*", workspace="stranger")
    for path in ("/v1/sources", "/v1/quarantine"):
        answer = await ingest.client.get(path, headers=stranger)
        assert not any(answer.json().values())
    assert (await ingest.client.get("/v1/events/bad", headers=stranger)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/sources", b'{"name":"\\u0000"}'),
        ("POST", "/v1/sources", b'{"name":"\\ud800"}'),
        ("POST", "/v1/sources", b'{"name":""}'),
        ("POST", "/v1/sources", b'{"name":"  "}'),
        ("POST", "/v1/sources", b'{"name":5}'),
        ("POST", "/v1/sources", b'{"name":"' + b"x" * 201 + b'"}'),
        ("POST", "/v1/sources", b'{"name":"x","workspace":"other"}'),
        ("POST", "/v1/sources", b"[]"),
        ("POST", "/v1/sources", b"\xff"),
        ("POST", "/v1/sources", b"[" * 100_000),
        ("GET", "/v1/events/%00", b""),
        ("GET", "/v1/events/" + "x" * 101, b""),
        ("GET", "/v1/events/x?source=%00", b""),
        ("GET", "/v1/events/x?sorce=shop", b""),
        ("GET", "/v1/events/x?since=soon", b""),
        ("GET", "/v1/events/x?since=0001-01-01T00:00:00%2B14:00", b""),
        ("GET", "/v1/events/", b""),
        ("GET", "/v1/quarantine?limit=0", b""),
        ("GET", "/v1/quarantine?limit=99999999999999999999", b""),
        ("GET", "/v1/quarantine?source=%00", b""),
    ],
)
async def test_bad_input_of_operators_is_their_error(
    ingest: "Ingest", method: str, path: str, body: bytes
) -> None:
    headers = {**ingest.token(), "Content-Type": "application/json"}
    answer = await ingest.client.request(method, path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert {"code", "message", "details"} == set(answer.json())


async def test_the_ledger_adds_up_and_survives_a_restart(start: "Start", log_of: Log) -> None:
    ingest = await start()
    good = {"type": "track", **BODIES["track"]}
    await asyncio.gather(*(ingest.send("/v1/batch", {"batch": [good, {}]}) for _ in range(10)))
    await ingest.send("/v1/track", {})
    await ingest.send("/v1/track", b"not json")
    after = await ingest.get("/v1/ledger", "ops")
    assert (after["received"], after["accepted"], after["rejected"]) == (21, 10, 11)
    assert (after["spooled"], after["spooled_now"]) == (0, 0)
    # Others write to the topic too.
    assert len(await log_of(ingest.workspace)) == 10
    assert after.pop("topic")["end_offsets_total"] >= 10
    again = await (await start(like=ingest)).get("/v1/ledger")
    assert {**again, "topic": None} == {**after, "topic": None}
    [source] = (await ingest.get("/v1/sources"))["items"]
    assert source["events"] == {"received": 21, "accepted": 10, "spooled": 0, "rejected": 11}


async def test_a_trace_goes_on_with_the_record(ingest: "Ingest", kafka_bootstrap: str) -> None:
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    answer = await ingest.send(
        "/v1/track", {**BODIES["track"], "messageId": "t"}, traceparent=trace
    )
    assert answer.status_code == 200
    async with ingest.built.cases.locator._log() as (consumer, partitions):
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(
            HANG_SECONDS
        ):  # one poll gives a part of what other tests have written
            traces: list[bytes | None] = []
            while trace.encode() not in traces:
                found = await consumer.getmany(*partitions, timeout_ms=500)
                rows = [one for each in found.values() for one in each]
                traces = [dict(one.headers).get("traceparent") for one in rows]


async def test_a_body_that_does_not_come_is_a_408(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def slow() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async with asyncio.timeout(HANG_SECONDS):
        answer = await ingest.client.post("/v1/track", content=slow(), headers=ingest.basic)
    assert answer.status_code == 408
    assert answer.json()["code"] == "request_timeout"


async def test_a_key_that_stands_in_a_page_does_not_ask(ingest: "Ingest") -> None:
    spec, headers = {"name": "A page", "kind": "web"}, ingest.token("sources:write")
    made = (await ingest.client.post("/v1/sources", json=spec, headers=headers)).json()
    key = {"X-Write-Key": made["write_key"]}
    found = await ingest.client.get("/v1/events/anything", headers=key)
    assert (found.status_code, found.json()["code"]) == (403, "forbidden")
