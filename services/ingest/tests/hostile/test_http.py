"""The corpus over HTTP: no body is an internal error, slow, or takes another event with it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from services.ingest.tests.hostile import corpus
from services.ingest.tests.hostile.corpus.case import GOOD, Case
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import bodies
from rapport_ingest import intake
from rapport_ingest.domain.event import MAX_EVENT_BYTES
from rapport_ingest.routes import ROUTES, Route

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60.0
"""Of the processor, for a body that takes one second of it on a good machine."""
SMALL = 200_000
EVENT = 35_000
LARGE = [one for one in corpus.ALL if len(one.body) >= SMALL]


async def post(ingest: "Ingest", path: str, body: bytes, **headers: str) -> httpx.Response:
    """Answered after a bounded amount of work; this process is the server too."""
    encoded = {key.encode(): value.encode() for key, value in headers.items()}
    began = time.thread_time()
    answer = await ingest.client.post(
        path,
        content=body,
        headers={**{k.encode(): v.encode() for k, v in ingest.basic.items()}, **encoded},
    )
    assert time.thread_time() - began < PATIENCE_SECONDS, (path, len(body), body[:60])
    return answer


def problem(case: Case, answer: httpx.Response) -> str | None:
    """What is wrong with the answer to a single event, or to a batch that is refused whole."""
    if answer.status_code != case.status:
        return f"{answer.status_code} {answer.text[:200]}"
    if case.expected == "ok":
        return None
    body = answer.json()
    if set(body) != {"code", "message", "details"} or body["code"] != case.code:
        return answer.text[:200]
    named = case.path or ""
    if named not in body["message"] and body["details"].get("path") != named:
        return f"{named!r} is not named: {answer.text[:200]}"
    return None


async def rejected_of(ingest: "Ingest") -> list[dict[str, Any]]:
    """What was refused since, from the ledger of the source and the quarantine."""
    await ingest.built.cases.counting.flush()
    found: list[dict[str, Any]] = (await ingest.get("/v1/quarantine?limit=1000"))["items"]
    return found


async def test_each_single_event_has_the_right_answer(ingest: "Ingest") -> None:
    wrong = []
    cases = [one for one in corpus.BYTES if one.route != "batch"]
    for case in cases:
        answer = await post(ingest, f"/v1/{case.route}", case.body, **case.headers)
        if found := problem(case, answer):
            wrong.append((case.name, found))
    assert not wrong
    kept = await rejected_of(ingest)
    assert len(kept) == sum(one.refused for one in cases)
    assert sorted(one["code"] for one in kept) == sorted(one.code for one in cases if one.refused)
    assert all(one["message"] for one in kept)


async def test_a_batch_with_a_bad_event_is_accepted_but_for_it(ingest: "Ingest") -> None:
    refused = 0
    for case in corpus.BATCHES:
        answer = await post(ingest, "/v1/batch", case.body)
        if case.expected[0] == "!":
            assert problem(case, answer) is None, case.name
            continue
        assert answer.status_code == 200, (case.name, answer.text[:200])
        body = answer.json()
        assert body["rejected"] == case.refused, case.name
        assert body["accepted"] + body["rejected"] == len(body["results"]), case.name
        refused += case.refused
    assert len(await rejected_of(ingest)) == refused


def batches_of(cases: Iterable[Case]) -> Iterable[list[Case]]:
    """The single events that a batch can hold, 25 at a time: up to 512 KB the bad are cut out."""
    fit = [
        one
        for one in cases
        if one.expected[0] != "!"
        and not one.headers
        and one.body == one.body.strip()
        and len(one.body) < EVENT
        and one.body[:1] == b"{"
    ]
    return [fit[start : start + 25] for start in range(0, len(fit), 25)]


async def test_among_good_neighbours_each_refused_event_is_in_the_quarantine(
    ingest: "Ingest",
) -> None:
    """Events of a kind say it in their type here; each stands between two good ones."""
    wanted: list[tuple[str, bytes]] = []
    for cases in batches_of(corpus.BYTES):
        events = [part for one in cases for part in (GOOD, one.body)]
        body = b'{"batch":[%s]}' % b",".join([*events, GOOD])
        answer = await post(ingest, "/v1/batch", body)
        assert answer.status_code == 200, answer.text[:300]
        results = answer.json()["results"]
        assert [one["status"] for one in results[::2]] == ["accepted"] * (len(cases) + 1)
        wanted += [
            (result["code"], case.body[:MAX_EVENT_BYTES])
            for case, result in zip(cases, results[1::2], strict=True)
            if result["status"] == "rejected"
        ]
    kept = await rejected_of(ingest)
    assert len(wanted) > 100
    # The answer shows text: what is not UTF-8 is replaced.
    assert sorted((one["code"], one["body"]) for one in kept) == sorted(
        (code, body.decode("utf-8", "replace")) for code, body in wanted
    )


async def test_at_32_kb_one_byte_decides_and_the_head_is_kept(ingest: "Ingest") -> None:
    fits, over = (
        next(one.body for one in corpus.BYTES if one.name == name)
        for name in ("exactly 32 KB", "32 KB and a byte")
    )
    answer = await post(ingest, "/v1/batch", b'{"batch":[%s,%s,%s]}' % (fits, over, GOOD))
    assert [one["status"] for one in answer.json()["results"]] == [
        "accepted",
        "rejected",
        "accepted",
    ]
    [kept] = await rejected_of(ingest)
    assert kept["code"] == "event_too_large"
    assert kept["body"] == over[:MAX_EVENT_BYTES].decode()


# ---- every address, those of dialects to come too


def bodies_for(number: int, routes: int) -> list[Case]:
    """A share of the corpus for each address of a dialect: together they get all of it."""
    rest = [one for one in (*corpus.BYTES, *corpus.BATCHES) if len(one.body) < SMALL]
    share = max(40, len(rest) // routes)
    return [*LARGE[number::routes], *rest[number * share % len(rest) :][:share]]


def groups() -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for one in ROUTES:
        found.setdefault(one.dialect.name, []).append(one)
    return found


@pytest.mark.parametrize("name", sorted(groups()))
async def test_every_address_survives_the_corpus(ingest: "Ingest", name: str) -> None:
    routes = [one for one in groups()[name] if "POST" in one.methods]
    for number, route in enumerate(routes):
        path = route.path + "hostile" if route.prefix else route.path
        for case in bodies_for(number, len(routes)):
            answer = await post(ingest, path, case.body, **case.headers)
            shown = (path, case.name, answer.status_code, answer.text[:200])
            assert answer.status_code < 500, shown
            if answer.status_code >= 400 and name == "segment":
                assert set(answer.json()) == {"code", "message", "details"}, shown
    assert msgspec.json.decode((await ingest.client.get("/healthz")).content) == {"alive": True}


QUERIES = (
    b"&".join(b"a%d=1" % i for i in range(1000)) + b"&writeKey=x",
    b"writeKey=" + b"x" * 60_000,
    b"writeKey=%00%ff%fe",
    b"writeKey=%ed%a0%80",
    b"writeKey",
    b"writeKey=&writeKey=rk_1",
    b"%" * 5000,
    b"data=" + b"%22" * 5000,
    b"data=e30",
    b"data=====",
    b"&&&===;;;",
    b"_=NaN&ip=1&compression=gzip-js&ver=1e400",
)
HEADERS: tuple[dict[str, bytes], ...] = (
    {"Authorization": b"Basic"},
    {"Authorization": b"Basic ???"},
    {"Authorization": b"Basic //79"},
    {"Authorization": b"Bearer \xff\xfe"},
    {"Authorization": b"Negotiate abc"},
    {"X-Write-Key": b"\xff" * 5000},
    {"X-Write-Key": b"rk_000000000000_" + b"0" * 32},
    {"Origin": b"null"},
    {"Origin": b"\xff://\x7f"},
    {"User-Agent": b"\xff\x01" * 20_000},
    {"traceparent": b"00-\xff"},
    {"Content-Length": b"-1"},
    {"Content-Length": b"9" * 500},
    {"Content-Length": b"\xb2"},
    {"Content-Type": b"\xff/\xfe; charset=\xfd"},
    {"Content-Type": b"multipart/form-data; boundary=" + b"x" * 5000},
    {"ce-id": b"\xff", "ce-type": b"", "ce-source": b"%00", "ce-specversion": b"9"},
    {"Cookie": b"=" * 10_000},
    {"X-Hub-Signature-256": b"\xff"},
    {"Stripe-Signature": b"t=x,v1=\xff"},
)


async def asked(
    ingest: "Ingest", method: str, path: str, query: bytes, headers: dict[str, bytes]
) -> int:
    """The status of the answer, straight from the application: a client would cost more than it."""
    told: list[Any] = []
    whole = {"Host": b"ingest", "Content-Length": b"%d" % len(GOOD), **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(name.lower().encode(), value) for name, value in whole.items()],
        "server": ("ingest", 80),
        "client": ("127.0.0.1", 123),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": GOOD, "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    await ingest.built.app(scope, receive, send)
    assert told[-1].get("more_body", False) is False
    return int(told[0]["status"])


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: one.path)
async def test_every_address_survives_strange_queries_and_headers(
    ingest: "Ingest", route: Route
) -> None:
    path = route.path + "x" if route.prefix else route.path
    good = {name: value.encode() for name, value in ingest.basic.items()}
    for method in {*route.methods, "OPTIONS", "PATCH"}:
        for query in QUERIES:
            for known in (good, {}):
                status = await asked(ingest, method, path, query, known)
                assert status < 500, (method, query[:50])
        for headers in HEADERS:
            status = await asked(ingest, method, path, b"", {**good, **headers})
            assert status < 500, (method, headers)


CONVERTED = {
    "/batch/": (b'{"batch":[%s]}', b'{"event":"x","distinct_id":"u","properties":{%s}}'),
    "/com.snowplowanalytics.snowplow/tp2": (b'{"data":[%s]}', b'{"e":"pv","uid":"u",%s}'),
}


@pytest.mark.parametrize("path", CONVERTED)
async def test_others_go_on_while_the_largest_batch_is_converted(
    ingest: "Ingest", path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is converted in another thread than that of the loop, which has all others' requests."""
    threads: list[int] = []
    convert = intake._open

    def noted(*asked: Any) -> Any:
        threads.append(threading.get_ident())
        return convert(*asked)

    monkeypatch.setattr(intake, "_open", noted)
    around, event = CONVERTED[path]
    one = event % b",".join(b'"key%d":"%s"' % (i, b"v" * 30) for i in range(30))
    body = around % b",".join([one] * 5000)
    answer = await ingest.client.post(path, content=body, headers=ingest.basic)
    assert answer.status_code == 200
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_snowplow_tracker_gives_up_what_can_never_be_read(ingest: "Ingest") -> None:
    path = "/com.snowplowanalytics.snowplow/tp2"
    answer = await post(ingest, path, b"x", **{"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_encoding")


async def test_bodies_over_the_bound_are_sent_again_later(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD", 1000)
    arrives = asyncio.Event()

    async def slow(size: int) -> AsyncIterator[bytes]:
        yield b" " * size
        await arrives.wait()
        yield GOOD

    async def send(size: int) -> httpx.Response:
        return await ingest.client.post("/v1/track", content=slow(size), headers=ingest.basic)

    first = asyncio.create_task(send(600))
    async with asyncio.timeout(HANG_SECONDS):
        while not ingest.built.app.bodies.held:
            await between_looks()
    second = await send(600)
    assert (second.status_code, second.headers["retry-after"]) == (503, "5")
    assert (await post(ingest, "/v1/track", GOOD)).status_code == 200
    monkeypatch.setattr(bodies, "MAX_HELD", 10_000)
    arrives.set()
    assert (await first).status_code == 200
    assert ingest.built.app.bodies.held == 0
