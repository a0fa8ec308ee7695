"""Each dialect over HTTP: the answer, what is in Kafka afterwards, what a browser may read."""

import base64
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
import zstandard
from services.ingest.tests.driving import names

from rapport_ingest.api.sdk_config import NOTHING_THERE
from rapport_ingest.domain.dialects.snowplow import PIXEL
from rapport_ingest.routes import ROUTES

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Gate, Ingest, Start

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
TP2 = "/com.snowplowanalytics.snowplow/tp2"
UNKNOWN = "rk_000000000000_00000000000000000000000000000000"
SHOP = "https://shop.example"


@pytest.fixture
def ingest(standing_ingest: "Ingest") -> "Ingest":
    """These only ask."""
    return standing_ingest


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)


def posthog(key: str) -> dict[str, Any]:
    """A batch as posthog-py sends it, with a bad event in the middle."""
    return {
        "api_key": key,
        "sent_at": "2026-03-01T10:00:00+00:00",
        "batch": [
            {"event": "Paid", "distinct_id": "u-1", "uuid": "m-1", "properties": {"total": 5}},
            {"event": "Paid", "uuid": "m-2", "properties": {}},
            {"event": "$identify", "distinct_id": "u-1", "uuid": "m-3", "$set": {"plan": "pro"}},
        ],
    }


def snowplow(key: str) -> dict[str, Any]:
    """A payload as the trackers send it, with a bad event in the middle."""
    one = {"e": "se", "se_ca": "shop", "se_ac": "add", "aid": key, "duid": "d-1", "tv": "py-1.1.0"}
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": [
            {**one, "eid": "m-1"},
            {"e": "zz", "eid": "m-2", "aid": key, "duid": "d-1"},
            {**one, "eid": "m-3"},
        ],
    }


async def ids(log_of: Log, ingest: "Ingest") -> set[str]:
    return {one["message_id"] for one in await log_of(ingest.workspace)}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/batch/", posthog), ("/e/?compression=gzip-js", posthog), (TP2, snowplow)],
)
async def test_a_bad_event_costs_no_other_and_is_kept(
    ingest: "Ingest", log_of: Log, path: str, body: Callable[[str], Any]
) -> None:
    content = encoded(body(ingest.key))
    if "gzip" in path:
        content = gzip.compress(content)
    answer = await ingest.client.post(
        path, content=content, headers={"Content-Type": "text/plain", "Origin": SHOP}
    )
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["accepted"], shown["rejected"]) == (2, 1)
    assert [one["status"] for one in shown["results"]] == ["accepted", "rejected", "accepted"]
    assert await ids(log_of, ingest) == {"m-1", "m-3"}
    [kept] = (await ingest.get("/v1/quarantine"))["items"]
    assert (kept["message_id"], kept["path"]) == ("m-2", shown["results"][1]["path"])
    assert json.loads(kept["body"])["messageId"] == "m-2"


async def test_posthogs_records(ingest: "Ingest", log_of: Log) -> None:
    await ingest.client.post("/batch/", json=posthog(ingest.key))
    records = {one["message_id"]: one for one in await log_of(ingest.workspace)}
    paid, identified = records["m-1"], records["m-3"]
    assert (paid["type"], paid["name"], names(paid)["user_id"]) == ("track", "Paid", "u-1")
    assert paid["properties"] == {"total": 5}
    assert (identified["type"], identified["traits"]) == ("identify", {"plan": "pro"})


async def test_posthogs_beacon_is_a_form(ingest: "Ingest", log_of: Log) -> None:
    data = base64.b64encode(encoded([{**one, "token": ingest.key} for one in posthog("")["batch"]]))
    answer = await ingest.client.post(
        "/e/?compression=base64",
        content=b"data=" + quote(data, safe="").encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 200, answer.text
    assert await ids(log_of, ingest) == {"m-1", "m-3"}


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
async def test_posthog_v1_answers_by_uuid(
    ingest: "Ingest", log_of: Log, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = {"created_at": "2026-03-01T10:00:00Z", "batch": posthog("")["batch"]}
    answer = await ingest.client.post(
        "/i/v1/analytics/events",
        content=pack(encoded(body)),
        headers={"Authorization": f"Bearer {ingest.key}", "Content-Encoding": encoding},
    )
    assert answer.status_code == 200, answer.text
    fates = {uuid: one["result"] for uuid, one in answer.json()["results"].items()}
    assert fates == {"m-1": "ok", "m-2": "drop", "m-3": "ok"}
    assert await ids(log_of, ingest) == {"m-1", "m-3"}


async def test_snowplows_image(ingest: "Ingest", log_of: Log) -> None:
    for e in ("pv", "zz"):
        query = urlencode({"e": e, "eid": f"m-{e}", "aid": ingest.key, "duid": "d-1"})
        answer = await ingest.client.get(f"/i?{query}")
        assert (answer.status_code, answer.content) == (200, PIXEL)
        assert answer.headers["content-type"] == "image/gif"
    [record] = await log_of(ingest.workspace)
    assert (record["type"], names(record)["anonymous_id"]) == ("page", "d-1")
    [kept] = (await ingest.get("/v1/quarantine"))["items"]
    assert (kept["message_id"], kept["code"]) == ("m-zz", "unknown_type")


async def test_snowplow_never_hears_a_413(ingest: "Ingest") -> None:
    many = {"data": [{"e": "pv", "aid": ingest.key}] * 10_001}
    answer = await ingest.client.post(TP2, json=many)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_events")
    headers = {"Content-Length": str(2**30)}
    answer = await ingest.client.post(TP2, content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")
    posted = {"api_key": ingest.key, "batch": [{"event": "x", "distinct_id": "u"}] * 5_001}
    halved = await ingest.client.post("/batch/", json=posted)
    assert (halved.status_code, halved.json()["details"]["code"]) == (413, "too_many_events")
    for body in (b"", b"x", b"[]", gzip.compress(b"x")[:-1]):
        answer = await ingest.client.post(TP2, content=body)
        assert answer.status_code in {400, 401}, answer.text


@pytest.mark.parametrize("prefix", ["/api/s/", "/api/s/s2s/"])
async def test_jitsus_key_stands_in_either_part(ingest: "Ingest", log_of: Log, prefix: str) -> None:
    body = {"type": "track", "event": "x", "userId": "u", "writeKey": "rapport:***"}
    keys = [ingest.key, f"{ingest.key}:x", f"rapport:{ingest.key}", f"{ingest.key}:"]
    for number, key in enumerate(keys):
        answer = await ingest.client.post(
            f"{prefix}track",
            json={**body, "messageId": f"m-{number}"},
            headers={"X-Write-Key": key},
        )
        assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text
    batch = {"batch": [{**body, "messageId": "m-b"}, {"type": "track", "userId": "u"}]}
    answer = await ingest.client.post(
        f"{prefix}batch", json=batch, headers={"X-Write-Key": keys[0]}
    )
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    assert await ids(log_of, ingest) == {"m-0", "m-1", "m-2", "m-3", "m-b"}
    bad = await ingest.client.post(f"{prefix}track", json={}, headers={"X-Write-Key": keys[0]})
    assert (bad.status_code, bad.json()["code"]) == (400, "missing_field")


async def test_rudders_header_fills_a_missing_anonymous_id(ingest: "Ingest", log_of: Log) -> None:
    header = {"AnonymousId": base64.b64encode("d-ü".encode()).decode()}
    event = {"type": "track", "event": "x", "context": {"traits": {"plan": "pro"}}}
    batch = [
        {**event, "messageId": "m-1"},
        {**event, "messageId": "m-2", "anonymousId": "other"},
        {**event, "messageId": "m-3", "anonymousId": "", "userId": "u"},
    ]
    answer = await ingest.send("/v1/batch", {"batch": batch}, **header)
    assert answer.json()["accepted"] == 3, answer.text
    answer = await ingest.send("/v1/track", {**event, "messageId": "m-4"}, **header)
    assert answer.status_code == 200, answer.text
    assert {
        one["message_id"]: names(one)["anonymous_id"] for one in await log_of(ingest.workspace)
    } == {
        "m-1": "d-ü",
        "m-2": "other",
        "m-3": "d-ü",
        "m-4": "d-ü",
    }
    for damaged in ("%%", "/w==", ""):
        answer = await ingest.send("/v1/track", {**event, "userId": "u"}, AnonymousId=damaged)
        assert answer.status_code == 200, answer.text


async def test_rudders_node_sdk_calls_its_gzip_a_form(ingest: "Ingest", log_of: Log) -> None:
    body = {"batch": [{"type": "track", "event": "x", "userId": "u", "messageId": "m-1"}]}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Encoding": "gzip",
    }
    answer = await ingest.send("/v1/batch", gzip.compress(encoded(body)), **headers)
    assert answer.status_code == 200, answer.text
    assert await ids(log_of, ingest) == {"m-1"}


async def test_rudders_beacon_has_its_key_in_the_query(ingest: "Ingest", log_of: Log) -> None:
    body = {"batch": [{"type": "page", "anonymousId": "d-1", "messageId": "m-1"}]}
    answer = await ingest.client.post(
        f"/beacon/v1/batch?writeKey={ingest.key}",
        content=encoded(body),
        headers={"Content-Type": "text/plain", "Origin": SHOP},
    )
    assert answer.status_code == 200, answer.text
    assert await ids(log_of, ingest) == {"m-1"}


WRONG: dict[str, Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]] = {
    "posthog": lambda client, key: client.post("/batch/", json=posthog(key)),
    "posthog v1": lambda client, key: client.post(
        "/i/v1/analytics/events", json={"batch": []}, headers={"Authorization": f"Bearer {key}"}
    ),
    "snowplow": lambda client, key: client.post(TP2, json=snowplow(key)),
    "snowplow's image": lambda client, key: client.get(f"/i?e=pv&aid={key}"),
    "jitsu": lambda client, key: client.post("/api/s/track", json={}, headers={"X-Write-Key": key}),
    "beacon": lambda client, key: client.post(
        f"/beacon/v1/batch?writeKey={key}", json={"batch": []}
    ),
    "segment's settings": lambda client, key: client.get(f"/v1/projects/{key}/settings"),
    "customer.io's settings": lambda client, key: client.get(
        f"/customerio/v1/projects/{key}/settings"
    ),
    "rudder's source": lambda client, key: client.get(f"/sourceConfig/?writeKey={key}"),
    "posthog's config": lambda client, key: client.get(f"/array/{key}/config"),
    "posthog's script": lambda client, key: client.get(f"/array/{key}/config.js"),
    "amplitude": lambda client, key: client.post(
        "/2/httpapi", json={"api_key": key, "events": [{"event_type": "Paid", "user_id": "u-1"}]}
    ),
    "amplitude's config": lambda client, key: client.get(f"/config/{key}?config_group=browser"),
}


async def test_a_wrong_key_is_a_401_a_page_may_read(ingest: "Ingest", log_of: Log) -> None:
    ingest.client.headers["Origin"] = SHOP
    for name, send in WRONG.items():
        for key in (UNKNOWN, "something"):
            answer = await send(ingest.client, key)
            assert answer.status_code == 401, (name, answer.text)
            assert {"code", "message", "details"} == set(answer.json()) - {"error"}
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["access-control-allow-credentials"] == "true"
    assert await log_of(ingest.workspace) == []


CONFIGS = [
    "/v1/projects/k/settings",
    "/customerio/v1/projects/k/settings",
    "/sourceConfig",
    "/array/k/config",
    "/config/k",
    "/flags",
    "/s",
    "/record",
    "/settings",
]
CONFIGS += ["/array/k/config.js", "/decide", "/v1/m", *NOTHING_THERE]
PUBLIC = [one.path for one in ROUTES if not one.prefix] + ["/v1/webhook/k", *CONFIGS]
ELSEWHERE = ["/v1/batches", "/", "/wp-login.php"]
"""Addresses that nobody serves: a page has to see the 404."""


def variants(path: str) -> list[str]:
    """The address as clients make it of a host with a trailing slash, or by a habit."""
    return [path, f"/{path}", f"{path}/", path.replace("/", "//") + "//"]


async def test_a_preflight_lets_any_page_send_with_credentials(ingest: "Ingest") -> None:
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "sp-anonymous,x-enable-debug",
    }
    for path in chain.from_iterable(map(variants, [*PUBLIC, *ELSEWHERE])):
        answer = await ingest.client.options(f"http://ingest{path}", headers=asked)
        assert answer.status_code == 200, path
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"].lower() == "origin"
        assert "sp-anonymous" in answer.headers["access-control-allow-headers"]
        assert "*" not in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-allow-methods"]
        assert answer.content == b""


async def test_a_page_can_read_every_answer_of_a_public_address(ingest: "Ingest") -> None:
    """However it is asked and whatever is wrong: else the browser blames CORS."""
    statuses = set()
    for path in [*PUBLIC, *ELSEWHERE]:
        for method, body in (("GET", b""), ("POST", b"{"), ("DELETE", b"")):
            answer = await ingest.client.request(
                method, f"http://ingest{path}", content=body, headers={"Origin": SHOP}
            )
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (method, path)
            assert answer.headers["access-control-allow-origin"] == SHOP, (method, path)
            assert answer.headers.get_list("access-control-allow-origin") == [SHOP]
    assert {401, 404, 405} <= statuses
    large = await ingest.client.post("/v1/batch", content=b"x" * 2**24, headers={"Origin": SHOP})
    assert (large.status_code, large.headers["access-control-allow-origin"]) == (413, SHOP)


async def test_the_routes_of_operators_are_not_for_pages(ingest: "Ingest") -> None:
    for method in ("GET", "OPTIONS", "DELETE"):
        answer = await ingest.client.request(method, "/v1/sources", headers={"Origin": SHOP})
        assert answer.status_code in {401, 405}
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/sdk/batch", "/api/s/s2s/batch"])
async def test_slashes_cost_no_event(ingest: "Ingest", log_of: Log, path: str) -> None:
    for number, address in enumerate(variants(path)):
        event = {"type": "track", "event": "Paid", "userId": "u", "messageId": f"m-{number}"}
        answer = await ingest.client.post(
            f"http://ingest{address}", json={"batch": [event]}, headers=ingest.basic
        )
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), address
    assert await ids(log_of, ingest) == {"m-0", "m-1", "m-2", "m-3"}


async def test_slashes_cost_no_settings(ingest: "Ingest") -> None:
    settings = "/v1/projects/{}/settings"
    for path in (settings, f"/customerio{settings}", "/array/{}/config", "/array/{}/config.js"):
        for address in variants(path.format(ingest.key)):
            assert (await ingest.client.get(f"http://ingest{address}")).status_code == 200, address


@pytest.mark.parametrize(
    ("base", "name"), [("", "Segment.io"), ("/customerio", "Customer.io Data Pipelines")]
)
async def test_the_settings_of_segments_browser_sdk_and_its_fork_bring_them_here(
    ingest: "Ingest", base: str, name: str
) -> None:
    path = f"{base}/v1/projects/{ingest.key}/settings"
    answer = await ingest.client.get(
        path, headers={"Host": "in.example:8443", "X-Forwarded-Proto": "https", "Origin": SHOP}
    )
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    # Its own name alone: with another one beside it an SDK fetches a script from its maker.
    [(found_name, found)] = answer.json()["integrations"].items()
    assert (found_name, found["apiKey"], found["apiHost"], found["protocol"]) == (
        *(name, ingest.key),
        *("in.example:8443/v1", "https"),
    )
    assert answer.json()["metrics"] == {"sampleRate": 0}
    forged = await ingest.client.get(path, headers={"Host": "a.example/x?"})
    assert "apiHost" not in forged.json()["integrations"][name]


async def test_the_source_config_of_rudders_browser_sdk(ingest: "Ingest") -> None:
    for asked in (
        ingest.client.get("/sourceConfig/", headers=ingest.basic),
        ingest.client.get(f"/sourceConfig?writeKey={ingest.key}"),
    ):
        answer = await asked
        source = answer.json()["source"]
        assert (answer.status_code, source["writeKey"]) == (200, ingest.key)
        assert source["id"]
        assert (source["enabled"], source["destinations"]) == (True, [])
        assert isinstance(source["config"], dict)


async def test_what_posthogs_sdks_ask_for(ingest: "Ingest") -> None:
    config = (await ingest.client.get(f"/array/{ingest.key}/config")).json()
    assert config["supportedCompression"] == ["gzip", "gzip-js"]
    # What posthog-js takes for a no when it is missing, and whom it leaves waiting at a "false".
    assert config["autocapture_opt_out"] is False
    assert config["hasFeatureFlags"] is not False
    assert config["sessionRecording"] is False
    decided = (await ingest.client.post("/decide/?v=3", content=b"data=x")).json()
    assert decided["config"] == {"enable_collect_everything": True}
    assert decided["autocapture_opt_out"] is False
    for path, nothing in NOTHING_THERE.items():
        answer = await ingest.client.get(f"{path}/?token={ingest.key}")
        assert (answer.status_code, answer.json()) == (200, nothing)
    script = await ingest.client.get(f"/array/{ingest.key}/config.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert f'["{ingest.key}"]={{"config":{{' in script.text
    for path in ("/flags/?v=2", "/decide/?v=3", "/flags"):
        answer = await ingest.client.post(path, content=b"data=x", headers={"Origin": SHOP})
        assert (answer.status_code, answer.json()["featureFlags"]) == (200, {}), path
        assert answer.headers["access-control-allow-origin"] == SHOP
    recording = await ingest.client.post("/s/", content=gzip.compress(b"x" * 1000))
    assert recording.json() == {"status": 1, "dropped": "Session recordings are not kept."}


@pytest.mark.parametrize("path", ["/2/httpapi", "/batch"])
async def test_amplitudes_sdks_read_the_status_from_the_body(ingest: "Ingest", path: str) -> None:
    """A body too large is halved by them only at the number 413; a word is "the same again"."""
    event = {"event_type": "Paid", "user_id": "u-1"}
    large = {"Content-Length": str(2**30)}
    for key, headers, status, code in (
        (ingest.key, large, 413, "too_large"),
        (UNKNOWN, {}, 401, "unauthorized"),
    ):
        sent = encoded({"api_key": key, "events": [event]})
        answer = await ingest.client.post(path, content=sent, headers=headers)
        told = answer.json()
        assert (answer.status_code, told["code"], told["details"]["code"]) == (status, status, code)
        assert len(told["message"]) > 1
        # What does not begin so is sent again.
        assert told["error"] == ("Invalid API key: " if status == 401 else "") + told["message"]


async def test_what_the_pages_of_mixpanel_and_amplitude_wait_for(ingest: "Ingest") -> None:
    asked = {"Origin": SHOP}
    flags = await ingest.client.get("/flags/?token=x&context=%7B%7D", headers=asked)
    settings = await ingest.client.get("/settings/?sdk_config=1&mp_lib=web", headers=asked)
    recording = await ingest.client.post("/record/?seq=0", content=b"x" * 1000, headers=asked)
    config = await ingest.client.get(f"/config/{ingest.key}?config_group=browser", headers=asked)
    for answer in (flags, settings, recording, config):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert flags.json()["flags"] == {}
    # Without a known setting the SDK takes the answer for a failure.
    assert settings.json()["sdk_config"]["config"] == {"record_sessions_percent": 0}
    replay = config.json()["configs"]["sessionReplay"]["sr_sampling_config"]
    assert replay["capture_enabled"] is False
    assert (await ingest.client.get("/config/x")).status_code == 401


async def test_settings_are_served_while_the_database_is_away(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    await gate.shut()
    for path in ("/v1/projects/{}/settings", "/config/{}", "/array/{}/config"):
        assert (await ingest.client.get(path.format(ingest.key))).status_code == 200
        assert (await ingest.client.get(path.format("x"))).status_code == 401
