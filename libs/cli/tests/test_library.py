"""`rapport segment library`: what comes with Rapport, with values, and made to segments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

ID = "0197f000-0000-7000-8000-000000000001"
PATH = "/v1/segments/library"
LAPSED = {
    "id": "lapsed_customers",
    "title": "Lapsed customers",
    "description": "Bought, and not for 120 days.",
    "purpose": "Win them back.",
    "text": "last_order_at <= now - 120d",
    "rule": {},
    "parameters": [{"name": "days", "kind": "days", "value": 120}],
    "needs": [{"kind": "computed_trait", "name": "nps_score"}],
}
MADE = {"id": ID, "name": "Lapsed customers", "status": "building", "members": 0, "job_id": "j-1"}
JOB = {"id": "j-1", "state": "done", "done": 9, "total": 9, "progress": {"share": 1.0}}


def test_one_is_shown_with_its_values_and_needs(rapport: Rapport, server: Answers) -> None:
    server.answers[f"GET {PATH}/lapsed_customers"] = (200, LAPSED)
    told = rapport("segment", "library", "show", "lapsed_customers", "--set", "days=120").stdout
    assert "last_order_at <= now - 120d" in told
    assert "computed trait nps_score" in told
    wrong = rapport("segment", "library", "show", "lapsed_customers", "--set", "days")
    assert (wrong.returncode, "--set days: it is NAME=VALUE." in wrong.stderr) == (1, True)


def test_what_is_adopted_is_waited_for(rapport: Rapport, server: Answers) -> None:
    server.answers[f"POST {PATH}/adopt"] = (202, {"added": [MADE], "present": []})
    server.answers["GET /v1/jobs/j-1"] = (200, JOB)
    server.answers[f"GET /v1/segments/{ID}"] = (200, {**MADE, "status": "ready", "members": 7})
    adopt = ("segment", "library", "adopt", "lapsed_customers")
    told = rapport(*adopt, "--set", "days=120", "--wait", "--id")
    assert told.stdout == f"{ID}\n"
    [body] = [body for call, _, body in server.calls if call == "POST"]
    assert body == {"ids": ["lapsed_customers"], "parameters": {"days": "120"}, "active": True}
    assert "ready" in rapport(*adopt, "--wait").stdout


def test_what_was_there_already_is_said(rapport: Rapport, server: Answers) -> None:
    server.answers[f"POST {PATH}/adopt"] = (202, {"added": [], "present": [MADE]})
    told = rapport("segment", "library", "adopt", "lapsed_customers", "--name", "L", "--draft")
    assert "'Lapsed customers' was there already" in told.stdout
    assert server.calls[-1][2]["name"] == "L"
    assert server.calls[-1][2]["active"] is False
    as_json = rapport("segment", "library", "adopt", "lapsed_customers", "--json").stdout
    assert json.loads(as_json) == {"added": [], "present": [MADE]}
