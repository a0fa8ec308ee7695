"""`rapport merge-rules` and `rapport profile rebuild` against an API that answers as told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

RULES = {
    "order": ["loyalty_card"],
    "kinds": {"email": {"max_per_profile": 5, "max_new": {"count": 2, "days": 30}}},
    "blocked": {"phone": ["+4930123456"]},
}
KNOWN = {**RULES, "version": 3, "actor": "ada", "reason": "why", "created_at": "2026-01-01"}
NONE = {"identifiers": 0, "links": 0, "moved_events": 0}


def job(**report: int) -> dict[str, Any]:
    return {"id": "j", "state": "done", "done": 7, "report": {**NONE, **report}, "total": 7}


def written(folder: Path, rules: dict[str, Any]) -> str:
    file = folder / "rules.json"
    file.write_text(json.dumps(rules))
    return str(file)


def test_rules_from_a_file_follow_those_that_hold(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/merge-rules"] = (200, KNOWN)
    server.answers["PUT /v1/merge-rules"] = (202, {**KNOWN, "version": 4, "job_id": "j"})
    server.answers["GET /v1/jobs/j"] = (200, job(links=2))
    file = written(tmp_path, RULES)
    done = rapport("merge-rules", "set", file, "--reason", "kiosk")
    assert done.returncode == 0
    assert server.calls[-1][2] == {**RULES, "version": 3, "reason": "kiosk"}
    waited = rapport("merge-rules", "set", file, "--reason", "kiosk", "--wait")
    assert "links" in waited.stdout


def test_a_printed_file_is_set_after_the_version_it_comes_from(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["PUT /v1/merge-rules"] = (202, {**KNOWN, "version": 4, "job_id": "j"})
    printed = written(tmp_path, {**KNOWN, "version": 2})
    assert rapport("merge-rules", "set", printed, "--reason", "x").returncode == 0
    assert server.calls[-1][2] == {**RULES, "version": 2, "reason": "x"}


def test_what_are_no_rules_is_not_sent(server: Answers, rapport: Rapport, tmp_path: Path) -> None:
    done = rapport("merge-rules", "preview", written(tmp_path, {"kind": []}))
    assert (done.returncode, server.calls) == (1, [])
    assert "no kind" in done.stderr


def test_a_difference_is_exit_code_1_unless_it_was_put_right(
    server: Answers, rapport: Rapport
) -> None:
    server.answers["POST /v1/profiles/rebuild"] = (202, job())
    server.answers["GET /v1/jobs/j"] = (200, job())
    assert rapport("profile", "rebuild").returncode == 0
    server.answers["GET /v1/jobs/j"] = (200, job(links=1))
    assert rapport("profile", "rebuild").returncode == 1
    assert rapport("profile", "rebuild", "--repair").returncode == 0
    assert server.calls[-2] == ("POST", "/v1/profiles/rebuild", {"repair": True})


def test_a_dry_run_says_that_nothing_was_changed(server: Answers, rapport: Rapport) -> None:
    change = {
        "profile_id": "p",
        "becomes_id": "q",
        "ends": False,
        "identifiers": [],
        "version": 2,
    }
    server.answers["POST /v1/profiles/merge"] = (
        200,
        {"decision_id": None, "changes": [change]},
    )
    pair = ("user_id", "U", "email", "u@example.com")
    done = rapport("profile", "merge", *pair, "--reason", "a call", "--dry-run")
    assert (done.returncode, "nothing was changed" in done.stdout) == (0, True)
    assert server.calls[-1][2] == {
        "one": {"kind": "user_id", "value": "U"},
        "other": {"kind": "email", "value": "u@example.com"},
        "reason": "a call",
        "dry_run": True,
    }
