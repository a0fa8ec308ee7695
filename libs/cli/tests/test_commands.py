"""The commands as users type them, against an HTTP server that keeps to the services' contract."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rapport_cli import show
from rapport_cli.client import trusted
from rapport_cli.config import SERVICES

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

PROFILE = {
    "id": "p-1",
    "version": 3,
    "identifiers": [{"kind": "email", "value": "ada@example.com"}],
    "traits": {"full_name": "Ada [bold]L."},
    "computed": {"events": 2, "orders": 1, "revenue": {"USD": "12.30"}, "open_cases": 0},
    "consent": [],
    "contact_points": [{"channel": "email", "value": "ada@example.com", "verified": False}],
}


def test_a_profile_is_shown_with_what_it_holds(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/profiles"] = (200, PROFILE)
    done = rapport("profile", "show", "email", "ada@example.com")
    assert done.returncode == 0, done.stderr
    told = ("ada@example.com (not verified)", "trait full_name", "Ada [bold]L.", "USD 12.30")
    for text in (*told, "open cases", "p-1"):
        assert text in done.stdout


def test_the_timeline_is_asked_for_by_the_profiles_id(rapport: Rapport, server: Answers) -> None:
    event = {"timestamp": "1997-01-01T00:00:00Z", "type": "track", "name": "Order Completed"}
    server.answers["GET /v1/profiles"] = (200, PROFILE)
    server.answers["GET /v1/profiles/p-1/timeline"] = (200, {"items": [event], "next": None})
    done = rapport("profile", "timeline", "user_id", "00001", "--limit", "5")
    assert "Order Completed" in done.stdout
    assert server.calls[-1][1] == "/v1/profiles/p-1/timeline?limit=5"
    filters = ("--type", "page", "--name", "A", "--name", "B", "--where", "a.b=1=2")
    rapport("profile", "timeline", "user_id", "1", *filters, "--oldest-first", "--limit", "1")
    told = "type=page&name=A&name=B&property=a.b&equals=1%3D2&order=oldest&limit=1"
    assert server.calls[-1][1] == f"/v1/profiles/p-1/timeline?{told}"
    own = ("--after", "m 1", "--after-source", "till")
    for command in ("timeline", "show"):
        before = len(server.calls)
        rapport("profile", command, "user_id", "1", *own)
        told = "kind=user_id&value=1&after=m%201&after_source=till"
        assert server.calls[before][1].replace("+", "%20") == f"/v1/profiles?{told}"
    wrong = rapport("profile", "timeline", "user_id", "1", "--where", "order_id")
    assert wrong.returncode == 1
    assert "order_id=1001" in wrong.stderr


def test_an_id_with_odd_characters_stays_one_path_segment(
    rapport: Rapport, server: Answers
) -> None:
    server.answers["GET /v1/events/a%2Fb%3F%20c"] = (200, {"message_id": "a/b? c"})
    assert "a/b? c" in rapport("event", "a/b? c").stdout


def test_a_rule_comes_from_a_file_or_the_line(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    rule = {"computed": "orders", "op": "gte", "value": 2}
    (tmp_path / "rule.json").write_text(json.dumps(rule))
    part = {"path": "rule", "depth": 0, "text": "orders >= 2", "count": 7, "left": None}
    hints = [{"path": "rule", "message": "2 people have it as text"}]
    answer = {"count": 7, "of": 9, "estimate": False, "parts": [part], "reach": {"email": 3}}
    answer |= {"people": [{"id": "p-1", "reason": "orders 2 >= 2"}], "hints": hints}
    server.answers["POST /v1/segments/preview"] = (200, answer)
    for given in (json.dumps(rule), "@rule.json"):
        told = rapport("segment", "preview", given).stdout
        for words in ("7 of 9 people.", "orders 2 >= 2", "3 by email", "2 people have it as text"):
            assert words in told
        assert server.calls[-1][2] == {"rule": rule}


@pytest.mark.parametrize(
    ("count", "interval", "told"),
    [
        (40, {"low": 30, "high": 52}, "about 40 of 900 people (95 %: between 30 and 52)."),
        (None, {"low": 0, "high": 900}, "No one could be judged in time: between 0 and 900."),
        (None, None, "No one could be judged in time: nobody knows how many."),
    ],
)
def test_an_estimate_is_shown_with_its_interval(
    rapport: Rapport, server: Answers, count: int | None, interval: Any, told: str
) -> None:
    answer: dict[str, Any] = {"count": count, "of": 900, "estimate": True, "sampled": 300}
    answer |= {"interval": interval, "reach": {"email": count}}
    answer |= {"parts": [], "people": [], "hints": []}
    server.answers["POST /v1/segments/preview"] = (200, answer)
    assert told in " ".join(rapport("segment", "preview", "orders >= 2").stdout.split())


def test_json_is_for_programs(rapport: Rapport, server: Answers) -> None:
    answer = {"items": [{"id": "s-1", "name": "Best", "version": 1}], "next": None}
    server.answers["GET /v1/segments"] = (200, answer)
    assert json.loads(rapport("segment", "list", "--json").stdout) == answer


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("segment", "preview", "{"), "The rule is not JSON"),
        (("segment", "preview", "[]"), "must be a JSON object"),
        (("segment", "preview", "@nowhere.json"), "nowhere.json can't be read"),
        (("position", "list", "--service", "billing"), "There is no service 'billing'"),
        (("profile", "show", "email", "x@example.com"), "Nobody has email 'x@example.com'"),
        (("mail", "list"), "There is no Maildir"),
        (("source", "keep"), "No such command 'keep'. `rapport source --help` shows how."),
        (("case", "close"), "Missing argument"),
        (("parked", "list"), "Missing option '--service'"),
        (("parked", "discard", "1", "--service", "profile"), "not confirmed"),
        (("campaign", "show", "c-1"), "campaign (404): no /v1/campaigns/c-1"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    rapport: Rapport, arguments: tuple[str, ...], text: str
) -> None:
    done = rapport(*arguments)
    assert done.returncode in {1, 2}
    told = done.stderr.splitlines()[-1]
    assert told.startswith("error: ") or "error: " in told
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def test_a_time_inside_a_message_stays_as_it_is() -> None:
    said = "at: ISO 8601 such as 2026-01-31T09:30:00Z"
    assert str(show.cell(said)) == said
    assert str(show.cell([said, "2026-01-31T09:30:00.5Z"])) == f"{said}, 2026-01-31 09:30:00 UTC"
    assert str(show.cell("2026-01-31T09:30:00+00:00")) == "2026-01-31 09:30:00 UTC"
    assert str(show.cell("2026-01-31T09:30:00+02:00")) == "2026-01-31T09:30:00+02:00"


def test_only_a_secure_connection_needs_authorities() -> None:
    plain, secure = trusted("http://127.0.0.1:8100"), trusted("https://cdp.example.com")
    assert trusted("HTTPS://cdp.example.com") is secure
    assert plain.cert_store_stats()["x509_ca"] == 0
    for each in (plain, secure):
        assert (each.verify_mode, each.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert plain is not secure


def test_a_service_that_is_away_is_named(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_FEEDBACK_URL", "http://127.0.0.1:1")
    done = rapport("case", "list")
    assert done.returncode == 1
    assert "feedback does not answer at http://127.0.0.1:1" in done.stderr
    assert "make up" in done.stderr


def test_something_else_on_the_port_is_told(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/sources"] = (200, b"<html>")
    assert "did not answer in JSON" in rapport("source", "list").stderr


def test_a_reset_asks_first(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/positions/reset"] = (200, {})
    where = ("--service", "profile", "--topic", "events", "--partition", "3", "--offset", "9")
    assert rapport("position", "reset", *where).returncode == 1
    assert not server.calls
    done = rapport("position", "reset", *where, "--yes")
    assert done.returncode == 0, done.stderr
    assert server.calls[-1][2] == {"topic": "events", "partition": 3, "next_offset": 9}


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1] + "=="
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload))
    return found


def test_what_concerns_all_workspaces_goes_with_the_claim(
    rapport: Rapport, server: Answers
) -> None:
    server.answers["POST /v1/positions/resume"] = (200, {"resumed": False, "stopped": []})
    assert rapport("position", "resume", "--service", "profile").returncode == 0
    server.answers["GET /v1/dead-letters"] = (200, {"items": [], "next": None})
    assert rapport("dead-letter", "list", "--service", "profile").returncode == 0
    asked = ("dead-letter", "list", "--service", "profile", "--installation")
    assert rapport(*asked).returncode == 0
    claims = [claims_of(call) for call in server.tokens]
    assert [one.get("installation") for one in claims] == [True, None, True]


def test_what_is_parked_is_listed_released_and_discarded(rapport: Rapport, server: Answers) -> None:
    key = {"id": 7, "topic": "events", "partition": 3, "key": "ab", "records": 2, "attempts": 1}
    server.answers["GET /v1/parked"] = (200, {"items": [key], "next": "abc"})
    listed = rapport("parked", "list", "--service", "profile")
    assert "events" in listed.stdout
    assert "--cursor abc" in listed.stderr
    outcome = {"id": 7, "applied": 1, "dead_lettered": 0, "left": 1, "error": "Retry()"}
    server.answers["POST /v1/parked/7/release"] = (200, outcome)
    released = rapport("parked", "release", "7", "--service", "profile")
    assert (released.returncode, "1 applied" in released.stdout) == (1, True)
    server.answers["POST /v1/parked/7/discard"] = (200, {"id": 7, "discarded": 2})
    assert rapport("parked", "discard", "7", "--service", "profile").returncode == 1
    discarded = rapport("parked", "discard", "7", "--service", "profile", "--yes")
    assert "2 records" in discarded.stdout


def test_refused_rows_are_listed_retried_and_discarded(rapport: Rapport, server: Answers) -> None:
    row = {"id": 9, "topic": "profile.activity", "key": "ab", "bytes": 1_100_000, "reason": "large"}
    server.answers["GET /v1/outbox/refused"] = (200, {"items": [row], "next": None})
    assert "1100000" in rapport("outbox", "refused", "list", "--service", "profile").stdout
    for verb in ("retry", "discard"):
        server.answers[f"POST /v1/outbox/refused/9/{verb}"] = (200, {"id": 9})
    assert rapport("outbox", "refused", "retry", "9", "--service", "profile").returncode == 0
    asked = ("outbox", "refused", "discard", "9", "--service", "profile")
    assert rapport(*asked).returncode == 1
    assert rapport(*asked, "--yes").returncode == 0


def _ledger(**changes: Any) -> dict[str, Any]:
    """One answer that suits every service."""
    counts = dict.fromkeys(("planned", "sending", "failed", "suppressed", "uncertain"), 0)
    sound = {
        "received": 5,
        "accepted": 4,
        "rejected": 1,
        "quarantined": 1,
        "spooled_now": 0,
        "spool_refused": 0,
        "spool_discarded": 0,
        "topic": {"end_offsets_total": 4},
        "consumed": {"events": 4, "profile.activity": 4},
        "dead_letters": {"events": 1},
        "tallies": {"profiled": 3},
        **counts,
        "sent": 2,
        "planned_total": 2,
    }
    return {**sound, **changes}


def test_a_sound_ledger_verifies(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/ledger"] = (200, _ledger())
    done = rapport("ledger", "verify")
    assert done.returncode == 0, done.stdout
    assert "5 = 4 + 1" in done.stdout
    assert "BROKEN" not in done.stdout


def test_a_breach_is_shown_and_fails(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/ledger"] = (200, _ledger(accepted=5))
    done = rapport("ledger", "verify", "--wait", "0")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    shown = json.loads(rapport("ledger", "verify", "--wait", "0", "--json").stdout)
    assert not shown["ok"]
    assert {one["name"] for one in shown["equations"] if not one["ok"]} == {"received", "kept"}


def test_sending_is_waited_out(rapport: Rapport, server: Answers, tmp_path: Path) -> None:
    under_way = (200, _ledger(sending=1, planned_total=3))
    server.then["GET /v1/ledger"] = [*[under_way] * 2 * len(SERVICES), (200, _ledger())]
    done = rapport("ledger", "verify", "--wait", "60")
    assert done.returncode == 0, done.stdout
    assert server.then["GET /v1/ledger"] == []
