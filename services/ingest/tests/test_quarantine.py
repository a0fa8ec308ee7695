"""The quarantine's API: list, summary, one row, dry run, discard, expiry, and who may do what."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from services.ingest.tests.driving import post

from rapport_common import clock
from rapport_common.privacy.subject import Recogniser
from rapport_common.retention import Retention, RetentionWorker
from rapport_common.testing.credentials import EVENT_KEY
from rapport_ingest.store import quarantine
from rapport_ingest.store.quarantine import Quarantined
from rapport_ingest.store.quarantine_expiry import expiry

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest, Start

pytestmark = pytest.mark.integration

NOW = clock.now()


def row(message_id: str, **fields: Any) -> Quarantined:
    made: dict[str, Any] = {
        "source": "web-shop",
        "message_id": message_id,
        "received_at": NOW,
        "code": "invalid_type",
        "path": "userId",
        "reason": "userId must be a string.",
        "body": b'{"type":"track","event":"x","userId":["u"],"anonymousId":"a"}',
    }
    return Quarantined(**{**made, **fields})


async def keep(ingest: "Ingest", *rows: Quarantined) -> None:
    async with ingest.process.engine.begin() as tx:
        await quarantine.keep(tx, ingest.workspace, rows)


async def listed(ingest: "Ingest", query: str = "") -> list[str]:
    found = await ingest.get(f"/v1/quarantine?{query}", "events:read")
    return [one["message_id"] for one in found["items"]]


async def test_the_list_is_filtered_and_paged(ingest: "Ingest") -> None:
    old = NOW - timedelta(days=2)
    await keep(
        ingest,
        row("1", received_at=old),
        row("2", source="other"),
        row("3", code="too_long"),
        row("4", path="traits"),
        row("5"),
    )
    assert await listed(ingest) == ["5", "4", "3", "2", "1"]
    assert await listed(ingest, "source=other") == ["2"]
    assert await listed(ingest, "code=too_long") == ["3"]
    assert await listed(ingest, "path=traits") == ["4"]
    assert await listed(ingest, "message_id=5") == ["5"]
    middle = clock.iso(NOW - timedelta(days=1))
    assert await listed(ingest, f"until={middle}") == ["1"]
    assert await listed(ingest, f"since={middle}&source=web-shop") == ["5", "4", "3"]
    assert await listed(ingest, "state=resolved") == []

    seen, query = [], "limit=2"
    while True:
        page = await ingest.get(f"/v1/quarantine?{query}")
        seen += [one["message_id"] for one in page["items"]]
        if page["next"] is None:
            break
        query = f"limit=2&cursor={page['next']}"
    assert seen == ["5", "4", "3", "2", "1"]


async def test_one_row_is_shown_whole(ingest: "Ingest") -> None:
    await keep(ingest, row("1", body=b'{"n": NaN}\xff', truncated=True, sent_at=NOW, type="track"))
    [listed] = (await ingest.get("/v1/quarantine"))["items"]
    shown = await ingest.get(f"/v1/quarantine/{listed['id']}", "events:read")
    assert shown == {
        "id": listed["id"],
        "message_id": "1",
        "source": "web-shop",
        "received_at": clock.iso(NOW),
        "sent_at": clock.iso(NOW),
        "type": "track",
        "dialect": "segment",
        "code": "invalid_type",
        "path": "userId",
        "message": "userId must be a string.",
        "body": '{"n": NaN}\ufffd',
        "truncated": True,
        "attempts": 0,
        "resolved_at": None,
        "resolution": None,
        "handled_by": None,
    }
    path = f"/v1/quarantine/{listed['id']}"
    foreign = ingest.token("events:read", workspace="someone-else")
    assert (await ingest.client.get(path, headers=foreign)).status_code == 404


async def test_the_summary_says_what_is_wrong_at_a_glance(ingest: "Ingest") -> None:
    later = NOW + timedelta(seconds=1)
    many = [row(str(index), path="properties.total") for index in range(12)]
    last = row("last", path="properties.total", reason="total is a string", received_at=later)
    await keep(ingest, *many, last, row("x", source="other"), row("y"))
    groups = (await ingest.get("/v1/quarantine/summary", "events:read"))["items"]
    assert [(one["source"], one["path"], one["rows"]) for one in groups] == [
        ("web-shop", "properties.total", 13),
        ("other", "userId", 1),
        ("web-shop", "userId", 1),
    ]
    assert groups[0]["example"]["message_id"] == "last"
    assert groups[0]["example"]["message"] == "total is a string"
    assert (groups[0]["first_at"], groups[0]["last_at"]) == (clock.iso(NOW), clock.iso(later))
    one = await ingest.get("/v1/quarantine/summary?source=other")
    assert len(one["items"]) == 1


async def test_a_dry_run_changes_nothing_and_says_what_would(ingest: "Ingest") -> None:
    await keep(
        ingest,
        row("good"),
        row("bad", body=b'{"type":"track","userId":["u"],"anonymousId":"a"}'),
        row("cut", truncated=True),
        row("gone", source="gone"),
    )
    body = {"transforms": [{"op": "drop", "path": "userId"}]}
    path = "/v1/quarantine/repair?dry_run=true"
    token = ingest.token("events:read")
    answer = (await ingest.client.post(path, json=body, headers=token)).json()
    [failure], [example] = answer.pop("failures"), answer.pop("examples")
    assert answer == {
        "dry_run": True,
        "matched": 4,
        "judged": 4,
        "would_pass": 1,
        "still_rejected": {"missing_field event": 1},
        "skipped": {"truncated": 1, "unknown_source": 1},
    }
    assert (failure["message_id"], failure["path"]) == ("bad", "event")
    assert example["before"]["userId"] == ["u"]
    assert example["after"] == {"type": "track", "event": "x", "anonymousId": "a"}
    assert [one["attempts"] for one in (await ingest.get("/v1/quarantine"))["items"]] == [0] * 4
    first = await ingest.client.post(f"{path}&limit=1", json=body, headers=token)
    assert (first.json()["matched"], first.json()["judged"]) == (4, 1)


async def test_discarded_rows_are_resolved_and_not_replayed(ingest: "Ingest") -> None:
    await keep(ingest, row("1"), row("2"), row("3", source="other"))
    body: dict[str, Any] = {"selection": {"source": "web-shop"}}
    answer = await post(ingest, "/v1/quarantine/discard", body, 200)
    assert answer == {"discarded": 2, "more": False}
    assert await listed(ingest) == ["3"]
    resolved = (await ingest.get("/v1/quarantine?state=resolved"))["items"]
    assert {(one["resolution"], one["handled_by"]) for one in resolved} == {("discarded", "tester")}
    refused = await post(ingest, "/v1/quarantine/discard", {"selection": {}}, 422)
    assert refused["code"] == "invalid_request"
    ids = [one["id"] for one in (await ingest.get("/v1/quarantine"))["items"]]
    answer = await post(ingest, "/v1/quarantine/discard", {"selection": {"ids": ids}}, 200)
    assert answer["discarded"] == 1


async def test_rows_expire_by_age_and_sooner_once_resolved(start: "Start") -> None:
    ingest = await start()
    ages = {"29": 29, "31": 31}
    await keep(
        ingest,
        *(row(name, received_at=NOW - timedelta(days=days)) for name, days in ages.items()),
        row("resolved"),
    )
    await post(ingest, "/v1/quarantine/discard", {"selection": {"message_id": "resolved"}}, 200)
    expire = expiry(timedelta(0), Recogniser(EVENT_KEY))
    retention = Retention("quarantine", "received_at", timedelta(days=30), expire)
    worker = RetentionWorker(ingest.process.engine, [retention], schema="ingest")
    assert await worker.enforce() == 2
    assert await listed(ingest, "state=all") == ["29"]
    [balance] = (await ingest.get("/v1/quarantine/balance"))["items"]
    assert (balance["expired"], balance["open"], balance["kept"]) == (2, 1, 3)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/quarantine/1", "events:read"),
        ("GET", "/v1/quarantine/summary", "events:read"),
        ("GET", "/v1/quarantine/balance", "events:read"),
        ("POST", "/v1/quarantine/repair", "sources:write"),
        ("POST", "/v1/quarantine/repair?dry_run=true", "events:read"),
        ("POST", "/v1/quarantine/discard", "sources:write"),
        ("POST", "/v1/replays/topic", "sources:write"),
    ],
)
async def test_each_route_has_its_scope(
    standing_ingest: "Ingest", method: str, path: str, scope: str
) -> None:
    other = {"events:read": "sources:write", "sources:write": "events:read"}[scope]
    answer = await standing_ingest.client.request(
        method, path, json={}, headers=standing_ingest.token(other)
    )
    assert answer.status_code == 403
    assert answer.json()["details"]["needed"] == scope


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/quarantine/repair", b'{"selection": {"source": "\\u0000"}}'),
        ("/v1/quarantine/repair", b'{"selection": {"source": "\\ud800"}}'),
        ("/v1/quarantine/repair", b'{"selection": {"nothing": 1}}'),
        ("/v1/quarantine/repair", b'{"selection": {"since": "0001-01-01T00:00:00+23:59"}}'),
        ("/v1/quarantine/repair", b'{"selection": {"ids": [9223372036854775808]}}'),
        ("/v1/quarantine/repair", b'{"transforms": [{"op": "explode", "path": "x"}]}'),
        ("/v1/quarantine/repair", b'{"transforms": [{"op": "rename", "path": "x"}]}'),
        ("/v1/quarantine/repair", b'{"transforms": [1]}'),
        ("/v1/quarantine/repair", b'{"rate": 0}'),
        ("/v1/quarantine/discard", b'{"selection": {"code": null}}'),
        ("/v1/replays/topic", b'{"selection": {"message_ids": []}}'),
        ("/v1/replays/topic", b'{"selection": {"user_id": "\\u0000"}}'),
        ("/v1/replays/topic", b'{"rate": 1e9}'),
        ("/v1/replays/topic", b"["),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(
    standing_ingest: "Ingest", path: str, body: bytes
) -> None:
    headers = {**standing_ingest.token("sources:write"), "Content-Type": "application/json"}
    answer = await standing_ingest.client.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert set(answer.json()) == {"code", "message", "details"}
