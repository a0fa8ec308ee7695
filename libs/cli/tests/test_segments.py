"""`rapport segment`: by name or id, until it is built, and why somebody is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

ID = "0197f000-0000-7000-8000-000000000001"
PERSON = "0197f000-0000-7000-8000-000000000002"
BUILDING = {
    "id": ID,
    "name": "Best",
    "version": 1,
    "status": "building",
    "members": 0,
    "job_id": "j-1",
    "upcoming": None,
    "rule": {"computed": "orders", "op": "gte", "value": 1},
}
READY = {**BUILDING, "status": "ready", "members": 7}
JOB = {"id": "j-1", "state": "done", "done": 9, "total": 9, "progress": {"share": 1.0}}


def test_create_waits_until_it_is_built(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/segments"] = (202, BUILDING)
    server.answers["GET /v1/jobs/j-1"] = (200, JOB)
    server.answers[f"GET /v1/segments/{ID}"] = (200, READY)
    rule = json.dumps(BUILDING["rule"])
    assert "is building and has 0" in rapport("segment", "create", "Best", rule).stdout
    told = rapport("segment", "create", "Best", rule, "--wait")
    assert told.stdout == f"Segment {ID} 'Best' is ready and has 7 members.\n"


def test_a_build_that_was_cancelled_is_an_error(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/segments"] = (202, BUILDING)
    server.answers["GET /v1/jobs/j-1"] = (200, {**JOB, "state": "cancelled"})
    told = rapport("segment", "create", "Best", "{}", "--wait")
    assert told.returncode == 1
    assert "Job j-1 is cancelled" in told.stderr


def test_a_segment_is_found_by_its_name_on_any_page(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/segments"] = (200, {"items": [READY], "next": None})
    server.answers[f"PATCH /v1/segments/{ID}"] = (202, BUILDING)
    told = rapport("segment", "set", "Best", "--no-active")
    assert "is building" in told.stdout
    assert server.calls[-1][2] == {"active": False}
    missing = rapport("segment", "archive", "Worst")
    assert "There is no segment 'Worst'" in missing.stderr


def test_why_somebody_is_in_it(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/segments"] = (200, {"items": [READY], "next": None})
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    comparison = {"path": "rule", "subject": "orders", "op": "gte", "wanted": 1, "actual": 2}
    server.answers[f"GET /v1/segments/{ID}/members/{PERSON}"] = (
        200,
        {
            "id": PERSON,
            "member": True,
            "fits": True,
            "segment_version": 1,
            "changes_at": None,
            "entered_at": "2026-01-01T00:00:00Z",
            "left_at": None,
            "reason": "orders 2 >= 1",
            "explanation": [{**comparison, "result": True}],
        },
    )
    told = rapport("segment", "why", "Best", "user_id", "42").stdout
    assert "orders 2 >= 1" in told
    assert "yes" in told


SHOWN: dict[str, Any] = {
    "rule": {},
    "text": "orders >= 1",
    "notes": [],
    "segment_id": None,
    "job_id": None,
}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (['{"a": NaN}'], "JSON has no NaN"),
        (['{"a": 1e400}'], "JSON has no NaN"),
        (['{"a": "\\ud800"}'], "no UTF-8"),
        (["{}", "--name", "\udcff"], "no UTF-8"),
        ([f'{{"a": {"1" * 5_000}}}'], "too many digits"),
        (["[" * 100_000 + "]" * 100_000], "nested too deep"),
        (["{}", "--event", "a"], "'a' is not THEIRS=OURS"),
        (["{}", "--event", "a="], "'a=' is not THEIRS=OURS"),
        (["{}", "--event", "a=b", "--event", "a=c"], "'a' is said to be b and c"),
    ],
)
def test_a_definition_that_can_not_be_sent_is_named(
    rapport: Rapport, server: Answers, given: list[str], why: str
) -> None:
    server.answers["POST /v1/segments/import"] = (200, SHOWN)
    told = rapport("segment", "import", "dittofeed", *given)
    assert (told.returncode, server.calls) == (1, [])
    assert why in told.stderr


def test_a_definition_may_be_in_a_file_of_windows(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    server.answers["POST /v1/segments/import"] = (200, SHOWN)
    file = tmp_path / "theirs.json"
    file.write_text('{"a": 1}', "utf-8-sig")
    told = rapport("segment", "import", "dittofeed", f"@{file}", "--event", "a=b", "--event", "a=b")
    assert told.stdout == "orders >= 1\n"
    assert server.calls[-1][2]["events"] == {"a": "b"}


def test_the_rules_of_versions_are_written_as_they_may_be_given(
    rapport: Rapport, server: Answers
) -> None:
    rule = {"and": [{"trait": "plan", "op": "eq", "value": "gold"}, BUILDING["rule"]]}
    text = 'plan = "gold" and orders >= 1'
    version = {"version": 2, "name": "Best", "active": True, "created_by": "cli"}
    version |= {"rule": rule, "text": text}
    server.answers[f"GET /v1/segments/{ID}"] = (200, READY)
    server.answers[f"GET /v1/segments/{ID}/versions"] = (200, {"items": [version], "next": None})
    assert text in rapport("segment", "versions", ID).stdout
    listed = json.loads(rapport("segment", "versions", ID, "--json").stdout)
    assert listed["items"] == [version]
