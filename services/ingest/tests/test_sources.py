"""Sources and keys over HTTP, and what their rules do to those who send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common import clock
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers import counting as counting_module
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.limits import Limits

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Gate, Ingest, Start

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
EVENT = {"event": "x", "userId": "u"}
BAD = {"userId": "u"}
T = TypeVar("T")


@asynccontextmanager
async def running(*workers: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in workers:
            group.create_task(one.run(stop))
        try:
            yield
        finally:
            stop.set()


def worker(ingest: "Ingest", kind: type[T]) -> T:
    [found] = [one for one in ingest.process.in_each_role if isinstance(one, kind)]
    return found


async def ask(ingest: "Ingest", method: str, path: str, body: Any = None) -> httpx.Response:
    headers = ingest.token("sources:write", "events:read")
    if body is None:
        return await ingest.client.request(method, f"/v1/sources/{path}", headers=headers)
    return await ingest.client.request(method, f"/v1/sources/{path}", headers=headers, json=body)


async def set_policy(ingest: "Ingest", **policy: Any) -> dict[str, Any]:
    answer = await ask(ingest, "PATCH", ingest.source, {"policy": policy})
    assert answer.status_code == 200, answer.text
    await ingest.built.cases.keys.check()
    found: dict[str, Any] = answer.json()
    return found


async def status(ingest: "Ingest", key: str = "") -> int:
    """What an event with this key is answered."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return (await ingest.send("/v1/track", EVENT, **headers)).status_code


async def test_a_policy_is_given_shown_and_changed_bit_by_bit(ingest: "Ingest") -> None:
    made = await ingest.client.post(
        "/v1/sources",
        json={"name": "Partner", "policy": {"events_per_second": 5, "ip": None}},
        headers=ingest.token("sources:write"),
    )
    assert made.status_code == 201, made.text
    shown = (await ask(ingest, "GET", "partner")).json()
    assert (shown["name"], shown["revision"]) == ("Partner", 1)
    assert shown["policy"]["events_per_second"] == 5
    assert shown["policy"]["ip"] == "mask"
    assert shown["events"]["received"] == 0
    change = {
        "name": "Partner Ltd",
        "policy": {"events_per_second": None, "plan": {"violations": "reject"}},
    }
    changed = (await ask(ingest, "PATCH", "partner", change)).json()
    assert (changed["name"], changed["revision"]) == ("Partner Ltd", 2)
    assert changed["policy"]["events_per_second"] is None
    assert changed["policy"]["plan"] == {"violations": "reject", "unplanned": "allow"}
    third = {"policy": {"provenance": {"party": "third", "provider": "B"}}}
    refused = await ask(ingest, "PATCH", "partner", third)
    assert refused.status_code == 422
    assert refused.json()["details"] == {"path": "policy.provenance.legal_basis"}
    assert (await ask(ingest, "GET", "partner")).json() == changed
    listed = (await ingest.get("/v1/sources"))["items"]
    assert [one["id"] for one in listed] == ["partner", "web-shop"]
    assert listed[0] == changed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"policy": null}',
        b'{"policy": []}',
        b'{"policy": {"allowed_ips": [NaN]}}',
        b'{"policy": {"provenance": {"provider": "\\u0000"}}}',
        b'{"policy": {"provenance": {"provider": "\\ud800"}}}',
        b'{"policy": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
        b'{"policy": {"transforms": ' + b"[" * 500 + b"]" * 500 + b"}}",
        b'{"nme": "x"}',
        b'{"name": ""}',
        b'{"name": "\\u0000"}',
        b"\xff",
    ],
)
async def test_bad_changes_are_the_callers_error(standing_ingest: "Ingest", body: bytes) -> None:
    headers = {**standing_ingest.token("sources:write"), "Content-Type": "application/json"}
    path = f"/v1/sources/{standing_ingest.source}"
    answer = await standing_ingest.client.patch(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert {"code", "message", "details"} <= answer.json().keys()


async def test_nothing_of_another_workspace_is_seen_or_changed(ingest: "Ingest") -> None:
    [key] = (await ask(ingest, "GET", f"{ingest.source}/keys")).json()["items"]
    foreign = ingest.token("*", workspace="elsewhere")
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/counts"),
        ("GET", "/keys"),
        ("GET", "/live"),
        ("POST", "/keys"),
        ("DELETE", f"/keys/{key['id']}"),
    ):
        answer = await ingest.client.request(
            method,
            f"/v1/sources/{ingest.source}{path}",
            headers={**foreign, "Content-Type": "application/json"},
            content=b"{}",
        )
        assert answer.status_code == 404, f"{method} {path}"
        lacking = await ingest.client.request(
            method, f"/v1/sources/{ingest.source}{path}", headers=ingest.token("ops")
        )
        assert lacking.status_code in {403, 422}, f"{method} {path}"
    assert (await ask(ingest, "GET", f"{ingest.source}/keys")).json()["items"] == [key]


async def test_a_key_is_rotated_without_a_gap_on_every_replica(
    ingest: "Ingest", start: "Start"
) -> None:
    both = (ingest, await start(like=ingest))
    keys = f"{ingest.source}/keys"
    assert [await status(one) for one in both] == [200, 200]
    new = (await ask(ingest, "POST", keys)).json()
    listed = (await ask(ingest, "GET", keys)).json()["items"]
    assert [one["revoked_at"] for one in listed] == [None, None]
    assert listed[1]["id"] == new["id"]
    assert "write_key" not in listed[1]
    third = await ask(ingest, "POST", keys)
    assert third.status_code == 409
    assert f"rapport source revoke {ingest.source} {listed[0]['id']}" in third.json()["message"]
    for key in (ingest.key, new["write_key"]):
        assert [await status(one, key) for one in both] == [200, 200]
    assert (await ask(ingest, "DELETE", f"{keys}/{listed[0]['id']}")).status_code == 204
    revoked = (await ask(ingest, "GET", keys)).json()["items"]
    assert [one["revoked_at"] is None for one in revoked] == [False, True]
    for one in both:
        await one.built.cases.keys.check()
    assert [await status(one) for one in both] == [401, 401]
    assert [await status(one, new["write_key"]) for one in both] == [200, 200]
    assert (await ask(ingest, "DELETE", f"{keys}/{listed[0]['id']}")).status_code == 204
    assert (await ask(ingest, "GET", keys)).json()["items"] == revoked
    assert (await ask(ingest, "DELETE", f"{keys}/{new['id']}")).status_code == 204
    assert (await ask(ingest, "DELETE", f"{keys}/000000000000")).status_code == 404
    assert (await ask(ingest, "POST", keys)).status_code == 201


async def test_two_at_once_do_not_make_three_keys(ingest: "Ingest") -> None:
    keys = f"{ingest.source}/keys"
    answers = await asyncio.gather(*(ask(ingest, "POST", keys) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409]


async def test_a_key_that_rested_is_looked_up_before_it_is_believed(ingest: "Ingest") -> None:
    keys = ingest.built.cases.keys
    assert (await ingest.send("/v1/track", EVENT)).status_code == 200
    await keys.check()
    [one] = (await ask(ingest, "GET", f"{ingest.source}/keys")).json()["items"]
    await ask(ingest, "DELETE", f"{ingest.source}/keys/{one['id']}")
    await keys.check()
    keys._known[ingest.key].checked_at -= 3600
    answers = await asyncio.gather(*(ingest.send("/v1/track", EVENT) for _ in range(5)))
    assert {one.status_code for one in answers} == {401}


async def test_a_key_that_rested_goes_on_while_postgres_is_frozen(
    start: "Start", gate: "Gate"
) -> None:
    ingest = await start(database=gate.url)
    assert (await ingest.send("/v1/track", EVENT)).status_code == 200
    await ingest.built.cases.keys.check()
    ingest.built.cases.keys._known[ingest.key].checked_at -= 3600
    gate.freeze()  # it stays frozen: who waited for Postgres would never be answered
    async with asyncio.timeout(HANG_SECONDS):
        answers = await asyncio.gather(*(ingest.send("/v1/track", EVENT) for _ in range(5)))
    assert {one.status_code for one in answers} == {200}
    gate.flows.set()


async def test_a_changed_policy_holds_after_the_next_check_on_every_replica(
    ingest: "Ingest", start: "Start"
) -> None:
    both = (ingest, await start(like=ingest))
    assert [await status(one) for one in both] == [200, 200]
    change = {"policy": {"allowed_ips": ["203.0.113.0/24"]}}
    assert (await ask(ingest, "PATCH", ingest.source, change)).status_code == 200
    for one in both:
        await one.built.cases.keys.check()
        refused = await one.send("/v1/track", EVENT)
        assert (refused.status_code, refused.json()["code"]) == (403, "address_not_allowed")


async def test_the_keys_are_checked_again_and_again(ingest: "Ingest") -> None:
    assert await status(ingest) == 200
    [one] = (await ask(ingest, "GET", f"{ingest.source}/keys")).json()["items"]
    async with running(ingest.built.cases.keys):
        await ask(ingest, "DELETE", f"{ingest.source}/keys/{one['id']}")

        async def refused() -> bool:
            return await status(ingest) == 401

        await eventually("refused key", refused)


async def test_pages_of_other_origins_are_refused(ingest: "Ingest") -> None:
    await set_policy(ingest, allowed_origins=["https://shop.example"])
    before = _refused("origin_not_allowed")
    evil = await ingest.send("/v1/track", EVENT, Origin="https://evil.example")
    assert (evil.status_code, evil.json()["code"]) == (403, "origin_not_allowed")
    # The page may read why.
    assert evil.headers["access-control-allow-origin"] == "https://evil.example"
    good = await ingest.send("/v1/t", EVENT, Origin="https://shop.example")
    assert good.status_code == 200
    assert good.headers.get_list("access-control-allow-origin") == ["https://shop.example"]
    assert good.headers["vary"] == "origin"
    server = await ingest.send("/v1/track", EVENT)
    assert server.status_code == 200
    assert _refused("origin_not_allowed") == before + 1


async def test_the_address_is_the_clients_behind_a_trusted_proxy_only(
    ingest: "Ingest", start: "Start"
) -> None:
    proxied = await start(like=ingest, trusted_proxies="127.0.0.0/8, 10.0.0.0/8")
    await set_policy(ingest, allowed_ips=["203.0.113.0/24"])
    sent = {"X-Forwarded-For": "203.0.113.7, 10.1.1.1"}
    assert (await ingest.send("/v1/track", EVENT, **sent)).status_code == 403
    assert (await proxied.send("/v1/track", EVENT, **sent)).status_code == 200
    made_up = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    assert (await proxied.send("/v1/track", EVENT, **made_up)).status_code == 403


async def test_a_proxy_setting_that_is_no_network_refuses_the_start(start: "Start") -> None:
    with pytest.raises(ValueError, match="'proxy' is not a network"):
        await start(trusted_proxies="10.0.0.0/8,proxy")


async def test_a_rate_lets_a_large_batch_through_and_then_waits(ingest: "Ingest") -> None:
    await set_policy(ingest, events_per_second=10)
    batch = {"batch": [{"type": "track", **EVENT} for _ in range(3000)]}
    assert (await ingest.send("/v1/batch", batch)).status_code == 200
    before = _refused("rate_limited")
    for path, status in (("/v1/track", 429), ("/v1/t", 503)):
        answer = await ingest.send(path, EVENT)
        assert (answer.status_code, answer.json()["code"]) == (status, "rate_limited")
        wait = int(answer.headers["retry-after"])
        assert 200 < wait <= 300
        assert answer.json()["details"] == {"limit": 10, "retry_after": wait}
    for path in ("/2/httpapi", "/batch"):
        # Amplitude's SDKs give up after five 429 within seconds, and wait longer after each 503.
        told = await ingest.send(path, {"events": [{"event_type": "Paid", "user_id": "u-1"}]})
        code = told.json()["details"]["code"]
        assert (told.status_code, told.json()["code"], code) == (503, 503, "rate_limited")
    assert _refused("rate_limited") == before + 4


async def test_what_could_not_be_kept_did_not_use_the_rate(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    await set_policy(ingest, events_per_second=1, events_per_day=1)
    await gate.shut()
    for _ in range(3):
        # A rejected event has to be kept, and can't be: the sender is asked to come back.
        answer = await ingest.send("/v1/track", BAD)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    await gate.open()


async def test_two_processes_share_a_rate(ingest: "Ingest", start: "Start") -> None:
    other = await start(like=ingest)
    both = [ingest, other]
    await set_policy(ingest, events_per_second=100)
    limits = [worker(one, Limits) for one in both]
    caller = Caller(ingest.workspace, ingest.source)
    body = {"batch": [EVENT] * 10}

    now = 0.0
    for each in limits:
        each._monotonic = lambda: now
        each._exchanged = now

    async def drain() -> int:
        """So many events pass at this moment, when both send as much as they can."""
        passed = 0
        for one in both:
            while (await one.send("/v1/batch", body)).status_code == 200:
                passed += 10
        return passed

    def rates() -> list[float]:
        return [each._rated[caller].bucket.rate for each in limits]

    await drain()
    async with asyncio.timeout(HANG_SECONDS):  # each learns of the other a turn later
        while rates() != [50.0, 50.0]:
            now += 1.0
            await drain()
            for each in limits:
                await each.exchange()
    for each in limits:
        each._rated[caller].bucket.level = 0.0
    passed = 0
    for _ in range(10):
        now += 0.1
        passed += await drain()
    assert 80 <= passed <= 100 + 2 * 10
    async with ingest.process.engine.begin() as tx:
        # The other process is gone: nobody has heard of it lately.
        await tx.execute(text("UPDATE ingest.rate_use SET measured_at = now() - interval '4 s'"))
    await limits[0].exchange()
    assert rates()[0] == pytest.approx(100.0)


async def test_limits_go_on_while_postgres_is_away(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    await set_policy(ingest, events_per_second=1, events_per_day=5)
    limits = worker(ingest, Limits)
    assert (await ingest.send("/v1/track", EVENT)).status_code == 200
    await gate.shut()
    async with running(limits, ingest.built.cases.counting):
        statuses: list[int] = []

        async def four_passed() -> bool:
            statuses.append(await status(ingest))
            return statuses.count(200) == 4

        await eventually("four events that passed", four_passed)
        assert 429 in statuses
        answer = await ingest.send("/v1/track", EVENT)
        assert answer.json()["code"] == "quota_exceeded"
        await gate.open()


async def test_a_quota_holds_for_all_processes_and_the_day(
    ingest: "Ingest", start: "Start"
) -> None:
    await set_policy(ingest, events_per_day=10)
    before = _refused("quota_exceeded")
    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(ingest.send("/v1/track", EVENT if number % 2 else BAD))
    await ingest.built.cases.counting.flush()
    other = await start(like=ingest)
    assert (await other.send("/v1/track", EVENT)).status_code == 200
    await other.built.cases.counting.flush()
    answer = await other.send("/v1/track", EVENT)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    assert answer.json()["details"]["limit"] == 10
    await ingest.built.cases.counting.flush()
    assert (await ingest.send("/v1/t", EVENT)).status_code == 503
    assert _refused("quota_exceeded") == before + 2
    async with ingest.process.engine.begin() as tx:
        # A day later.
        await tx.execute(
            text("UPDATE ingest.tally_day SET day = day - 1 WHERE workspace = :workspace"),
            {"workspace": ingest.workspace},
        )
    for one in (ingest, other):
        one.built.cases.counting._day_ends = 0.0
        one.built.cases.counting._stored.clear()
        assert (await one.send("/v1/track", EVENT)).status_code == 200


async def test_a_quota_is_exact_for_requests_under_way(ingest: "Ingest") -> None:
    await set_policy(ingest, events_per_day=10)
    async with running(ingest.built.cases.counting):
        answers = await asyncio.gather(*(ingest.send("/v1/track", EVENT) for _ in range(40)))
        assert sum(one.status_code == 200 for one in answers) == 10
        for _ in range(5):
            await ingest.built.cases.counting.flush()
            assert (await ingest.send("/v1/track", EVENT)).status_code == 429
    assert (await ask(ingest, "GET", f"{ingest.source}/counts")).json()["received"] == 10


async def test_a_source_in_test_mode_keeps_and_counts_nothing(
    ingest: "Ingest", log_of: Log
) -> None:
    await set_policy(ingest, test_mode=True, events_per_day=2)
    batch = {"batch": [{"type": "track", **EVENT}, {"type": "track", **BAD}]}
    for _ in range(3):
        answer = (await ingest.send("/v1/batch", batch)).json()
        assert [one["status"] for one in answer["results"]] == ["tested", "rejected"]
    assert await log_of(ingest.workspace) == []
    assert (await ingest.get("/v1/quarantine"))["items"] == []
    counts = (await ask(ingest, "GET", f"{ingest.source}/counts")).json()
    assert (counts["received"], counts["days"]) == (0, [])
    await set_policy(ingest, test_mode=None)
    answer = (await ingest.send("/v1/batch", batch)).json()
    assert [one["status"] for one in answer["results"]] == ["accepted", "rejected"]


async def test_the_counts_reconcile_by_api_and_in_prometheus(
    ingest: "Ingest", start: "Start"
) -> None:
    other = await start(like=ingest)
    batch = {"batch": [{"type": "track", **EVENT}] * 3 + [{"type": "track", **BAD}] * 2}
    for one in (ingest, other, ingest):
        assert (await one.send("/v1/batch", batch)).status_code == 200
        assert (await one.send("/v1/track", BAD)).status_code == 400
    await other.built.cases.counting.flush()
    counts = (await ask(ingest, "GET", f"{ingest.source}/counts?days=1")).json()
    expected = {"received": 18, "accepted": 9, "rejected": 9}
    assert counts == {
        "source": ingest.source,
        **expected,
        "spooled": 0,
        "days": [{"day": clock.now().date().isoformat(), **expected}],
    }
    # Both processes of this test share one registry.
    labels = {"workspace": ingest.workspace, "source": ingest.source}
    assert _value("rapport_ingest_source_received_total", labels) == 18
    by_verdict = [
        _value("rapport_ingest_source_events_total", {**labels, "verdict": verdict})
        for verdict in ("accepted", "spooled", "rejected")
    ]
    assert by_verdict == [9, 0, 9]


async def test_the_metrics_of_sources_are_bounded(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_module, "MAX_SHOWN", 3)
    counting = Counting(ingest.process.engine)
    labels = {"workspace": "other", "source": "other"}
    before = _value("rapport_ingest_source_received_total", labels)
    for number in range(8):
        caller = Caller(ingest.workspace, f"bounded-{number}")
        counting.note(caller, accepted=2, rejected=1, spooled=False)
    counting.expose()
    assert _value("rapport_ingest_source_received_total", labels) == before + 5 * 3
    assert len(counting._shown) == 3


async def test_counts_that_could_not_be_stored_are_neither_lost_nor_doubled(
    start: "Start", gate: "Gate"
) -> None:
    ingest = await start(database=gate.url)
    counting = ingest.built.cases.counting
    caller = Caller(ingest.workspace, ingest.source)
    counting.note(caller, accepted=2, rejected=1, spooled=True)
    await gate.shut()
    for _ in range(2):
        await counting.try_flush()
        assert counting.today(caller) == 3
    counting.note(caller, accepted=1, rejected=0, spooled=False)
    await gate.open()
    await counting.flush()
    assert counting.today(caller) == 4
    # A connection of the API's own pool, which was cut too: its first request finds that out.
    while (answer := await ask(ingest, "GET", f"{ingest.source}/counts")).status_code == 503:
        pass
    counts = answer.json()
    assert (counts["received"], counts["spooled"], counts["days"][0]["received"]) == (4, 2, 4)
    labels = {"workspace": ingest.workspace, "source": ingest.source}
    assert _value("rapport_ingest_source_received_total", labels) == 4


def _refused(reason: str) -> float:
    return _value("rapport_ingest_refused_requests_total", {"reason": reason})


def _value(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
