"""`rapport duplicates` against an API that answers as told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

REASONS = [
    {"field": "birthday", "told": "same birthday", "bits": 14.9},
    {"field": "phone", "told": "phone differs in two digits swapped", "bits": 13.7},
]
PAIR = {
    "id": "d",
    "profile_id": "p",
    "other_profile_id": "q",
    "score": 0.9981,
    "band": "likely",
    "state": "open",
    "reasons": REASONS,
    "decided_by": None,
}


def person(profile: str, user: str, **traits: str) -> dict[str, Any]:
    named = [{"kind": "user_id", "value": user}, {"kind": "email", "value": f"{user}@x.example"}]
    return {"id": profile, "identifiers": named, "traits": traits, "computed": {"events": 3}}


def test_a_search_is_waited_for(server: Answers, rapport: Rapport) -> None:
    job = {"id": "j", "state": "done", "done": 7, "total": 7, "report": {"open": 2, "likely": 1}}
    server.answers["POST /v1/duplicates/find"] = (202, job)
    server.answers["GET /v1/jobs/j"] = (200, job)
    done = rapport("duplicates", "find", "--everybody")
    assert server.calls[0][2] == {"everybody": True}
    assert (done.returncode, "likely" in done.stdout) == (0, True)


def test_pairs_are_listed_with_what_is_alike(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/duplicates"] = (200, {"items": [PAIR], "next": None})
    done = rapport("duplicates", "list", "--min-score", "0.99")
    assert "min_score=0.99" in server.calls[0][1]
    assert "same birthday; phone differs in two digits swapped" in done.stdout
    merged = {**PAIR, "decided_by": "ada", "decided_reason": "a call", "state": "merged"}
    server.answers["GET /v1/duplicates"] = (200, {"items": [merged], "next": None})
    assert "a call" in rapport("duplicates", "list", "--state", "merged").stdout


def test_two_are_shown_side_by_side(server: Answers, rapport: Rapport) -> None:
    profiles = [person("p", "u1", name="Ada"), person("q", "u2", city="Rome")]
    server.answers["GET /v1/duplicates/d"] = (200, {**PAIR, "profiles": profiles})
    shown = rapport("duplicates", "show", "d").stdout
    for each in ("u1@x.example", "u2@x.example", "trait name", "trait city", "same birthday"):
        assert each in shown
    server.answers["GET /v1/duplicates/d"] = (200, {**PAIR, "profiles": profiles[:1]})
    assert rapport("duplicates", "show", "d").returncode == 0


def test_a_pair_is_merged_or_dismissed(server: Answers, rapport: Rapport) -> None:
    server.answers["POST /v1/duplicates/d/merge"] = (200, {"decision_id": "x", "changes": []})
    assert "x" in rapport("duplicates", "merge", "d", "--reason", "a call").stdout
    assert server.calls[-1][2] == {"reason": "a call", "dry_run": False}
    server.answers["POST /v1/duplicates/d/dismiss"] = (200, {"decision_id": "y", "changes": []})
    done = rapport("duplicates", "dismiss", "d", "--reason", "cousins", "--keep-apart")
    assert "Decision y keeps them apart." in done.stdout
    assert server.calls[-1][2] == {"reason": "cousins", "keep_apart": True}
    plain = rapport("duplicates", "dismiss", "d", "--reason", "cousins").stdout
    assert plain.strip() == "Dismissed."
