"""`rapport quarantine` and `rapport replay`, against a server that keeps to ingest's contract."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from rapport_cli.changes import changes
from rapport_cli.export_files import batches, event_of

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

ROW = {
    "id": 7,
    "message_id": "m-1",
    "source": "shop",
    "received_at": "2026-01-01T00:00:00Z",
    "sent_at": None,
    "type": "track",
    "dialect": "segment",
    "code": "invalid_type",
    "path": "userId",
    "message": "userId must be a string.",
    "body": '{"event": "x", "userId": []}',
    "truncated": False,
    "attempts": 0,
    "resolved_at": None,
    "resolution": None,
    "handled_by": None,
}
JOB = {
    "id": "j-1",
    "kind": "replay_quarantine",
    "state": "done",
    "error": None,
    "total": 3,
    "done": 3,
    "accepted": 2,
    "rejected": 1,
    "report": {"replayed": 2, "still_rejected": {"invalid_type traits": 1}, "skipped": {}},
}
STARTED = {"id": "j-1", "kind": "replay_quarantine", "state": "queued"}


def test_the_summary_counts_what_is_wrong(rapport: Rapport, server: Answers) -> None:
    group = {
        "source": "shop",
        "code": "invalid_type",
        "path": "properties.total",
        "rows": 12_000,
        "first_at": "2026-01-01T00:00:00Z",
        "last_at": "2026-01-02T00:00:00Z",
        "example": {"id": 7, "message_id": "m", "message": "total is a string"},
    }
    server.answers["GET /v1/quarantine/summary"] = (200, {"items": [group], "next": None})
    done = rapport("quarantine", "summary", "--source", "shop")
    for text in ("12000", "properties.total", "total is a string", "7"):
        assert text in done.stdout
    assert server.calls[0][1] == "/v1/quarantine/summary?source=shop&state=open&limit=100"


def test_a_repair_is_followed_to_its_end(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/quarantine/repair"] = (202, STARTED)
    server.answers["GET /v1/jobs/j-1"] = (200, JOB)
    done = rapport(
        *("replay", "quarantine", "--source", "shop", "--id", "7", "--rate", "50"),
        *("--rename", "properties.amount=properties.total"),
        *("--cast", "properties.total=number", "--default", "properties.currency=EUR"),
    )
    assert done.returncode == 0, done.stderr
    assert "invalid_type traits 1" in done.stdout
    assert server.calls[0][2] == {
        "selection": {"source": "shop", "ids": [7]},
        "transforms": [
            {"op": "rename", "path": "properties.amount", "to": "properties.total"},
            {"op": "default", "path": "properties.currency", "value": "EUR"},
            {"op": "cast", "path": "properties.total", "type": "number"},
        ],
        "rate": 50,
    }


def test_what_no_repair_can_read_is_to_be_discarded(rapport: Rapport, server: Answers) -> None:
    skipped = {"not_an_object": 2, "truncated": 1, "source_in_test_mode": 7}
    server.answers["POST /v1/quarantine/repair"] = (202, STARTED)
    told = {**JOB["report"], "skipped": skipped}  # type: ignore[dict-item] # it is an object
    server.answers["GET /v1/jobs/j-1"] = (200, {**JOB, "report": told})
    shown = " ".join(rapport("quarantine", "repair").stdout.split())
    assert "3 of the skipped can't be repaired" in shown
    assert "`rapport quarantine discard`" in shown


def test_a_failed_job_is_a_failure(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/replays/topic"] = (202, STARTED)
    server.answers["GET /v1/jobs/j-1"] = (200, {**JOB, "state": "failed", "error": "made anew"})
    done = rapport("replay", "topic", "--since", "2026-01-01", "--message-id", "a", "--dry-run")
    assert done.returncode == 1
    assert "made anew" in done.stderr
    assert server.calls[0][1] == "/v1/replays/topic?dry_run=true"
    assert server.calls[0][2] == {"selection": {"since": "2026-01-01", "message_ids": ["a"]}}


def test_a_dry_run_shows_before_and_after(rapport: Rapport, server: Answers) -> None:
    answer = {
        "dry_run": True,
        "matched": 2,
        "judged": 2,
        "would_pass": 1,
        "still_rejected": {"invalid_type traits": 1},
        "skipped": {},
        "failures": [{"id": 8, "message_id": "b", "code": "c", "path": "traits", "message": "no"}],
        "examples": [{"id": 7, "message_id": "a", "before": {"n": "1"}, "after": {"n": 1}}],
    }
    server.answers["POST /v1/quarantine/repair"] = (202, answer)
    done = rapport("quarantine", "repair", "--dry-run", "--drop", "userId", "--for", "x")
    assert 'a after:  {"n": 1}' in done.stdout
    change = {"op": "drop", "path": "userId", "event": "x"}
    assert server.calls[0][2] == {"selection": {}, "transforms": [change]}


def test_an_export_is_json_lines(rapport: Rapport, server: Answers) -> None:
    cut = {**ROW, "id": 6, "truncated": True}
    server.answers["GET /v1/quarantine"] = (200, {"items": [ROW, cut], "next": None})
    whole = [json.loads(one) for one in rapport("quarantine", "export").stdout.splitlines()]
    assert whole == [ROW, cut]
    events = rapport("quarantine", "export", "--events").stdout.splitlines()
    assert [json.loads(one) for one in events] == [
        {"messageId": "m-1", "type": "track", "event": "x", "userId": []}
    ]


def test_discarding_goes_on_until_nothing_is_left(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/quarantine/discard"] = (200, {"discarded": 3, "more": False})
    done = rapport("quarantine", "discard", "--code", "too_long", "--yes")
    assert "3 discarded" in done.stdout
    assert server.calls[0][2] == {"selection": {"code": "too_long"}}


def test_a_file_is_sent_in_batches_under_its_own_ids(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    server.answers["POST /v1/batch"] = (200, {"accepted": 2, "rejected": 0})
    path = tmp_path / "export.jsonl"
    canonical = {
        "workspace": "w",
        "source": "s",
        "message_id": "m",
        "type": "track",
        "name": "Paid",
        "timestamp": "2026-01-01T00:00:00Z",
        "user_id": "u",
        "email": "a@example.com",
    }
    shaped = {"type": "page", "userId": "u", "sentAt": "2026-01-01T00:00:00Z"}
    path.write_text(f"{json.dumps(canonical)}\n\n{json.dumps(shaped)}\n")
    done = rapport("replay", "file", str(path), "--write-key", "k")
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(json.dumps(shaped).encode()).hexdigest()[:40]
    assert server.calls[0][2]["batch"] == [
        {
            "type": "track",
            "timestamp": "2026-01-01T00:00:00Z",
            "messageId": "m",
            "userId": "u",
            "event": "Paid",
            "traits": {"email": "a@example.com"},
        },
        {"type": "page", "userId": "u", "messageId": f"{digest}-3"},
    ]


def test_a_line_that_is_none_is_named_with_where_to_go_on(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"type": "page", "userId": "u"}\n[1]\n')
    done = rapport("replay", "file", str(path), "--write-key", "k")
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert server.calls == []


def test_batches_are_bounded_and_go_on_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(f'{{"messageId": "{index}"}}\n' for index in range(1200)))
    assert [len(one) for one in batches(path, 1)] == [500, 500, 200]
    [last] = batches(path, 1199)
    assert [one.event["messageId"] for one in last] == ["1198", "1199"]


@pytest.mark.parametrize("found", [[1], "x", None, 3])
def test_an_event_is_an_object(found: Any) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        event_of(found, b"", 1)


def test_changes_from_a_file_come_first(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('[{"op": "hash", "path": "userId"}]')
    none: dict[str, Any] = dict.fromkeys(("rename", "default", "cast", "hashed", "event"))
    assert changes(path, drop=["traits.x"], **none) == [
        {"op": "hash", "path": "userId"},
        {"op": "drop", "path": "traits.x"},
    ]
