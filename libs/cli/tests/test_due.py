"""`rapport due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

ROW = {
    "workspace": "acme",
    "kind": "case_resolve",
    "key": "c-1",
    "at": "2026-01-31T09:30:00Z",
    "try_at": "2026-01-31T09:30:00Z",
    "failed_at": None,
    "attempts": 0,
    "error": None,
}


def test_what_waits_and_what_was_put_aside(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/due"] = (200, {"items": [ROW], "next": "abc"})
    told = rapport("due", "list", "--service", "feedback")
    assert "2026-01-31 09:30:00 UTC" in told.stdout
    assert "--cursor abc" in told.stderr
    server.answers["GET /v1/due"] = (200, {"items": [], "next": None})
    told = rapport("due", "list", "--failed", "--service", "feedback")
    assert told.stdout == "Nothing was put aside.\n"


def test_one_or_all_are_tried_again(rapport: Rapport, server: Answers) -> None:
    key = {"kind": "case_resolve", "key": "c 1"}
    server.answers["POST /v1/due/case_resolve/c%201/retry"] = (200, key)
    server.answers["POST /v1/due/retry"] = (200, {"retried": 7, "more": False})
    on = ("--service", "feedback")
    told = rapport("due", "retry", "case_resolve", "c 1", *on)
    assert told.stdout == "case_resolve c 1 is tried again.\n"
    assert rapport("due", "retry", "--all", *on).stdout == "7 are tried again.\n"
    assert '"retried": 7' in rapport("due", "retry", "case_resolve", "--all", *on, "--json").stdout
    for wrong in ((), ("case_resolve",), ("case_resolve", "c-1", "--all")):
        refused = rapport("due", "retry", *wrong, *on)
        assert (refused.returncode, "--all" in refused.stderr) == (1, True)


def test_discarding_asks_first(rapport: Rapport, server: Answers) -> None:
    key = {"kind": "case_resolve", "key": "c-1"}
    server.answers["POST /v1/due/case_resolve/c-1/discard"] = (200, key)
    asked = rapport("due", "discard", "case_resolve", "c-1", "--service", "feedback")
    assert asked.returncode == 1
    assert not server.calls
    told = rapport("due", "discard", "case_resolve", "c-1", "--yes", "--service", "feedback")
    assert told.stdout == "case_resolve c-1 is discarded.\n"
