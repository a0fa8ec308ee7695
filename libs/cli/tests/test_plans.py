"""`rapport plan` and `rapport catalogue` against an API that answers as told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

PLAN = {"events": [{"type": "track", "name": "Paid", "version": "1", "schema": {}}]}
CHANGES = {
    "added": [{"type": "track", "name": "Paid", "version": "1"}],
    "changed": [],
    "removed": [],
}


def test_a_plan_is_pushed_from_a_file(server: Answers, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    server.answers["PUT /v1/sources/shop/plan"] = (200, CHANGES)
    done = rapport("plan", "push", str(file), "--source", "shop")
    assert (done.returncode, done.stdout) == (0, "added: track Paid 1\n")
    assert server.calls[-1] == ("PUT", "/v1/sources/shop/plan", PLAN)


def test_a_dry_run_fails_when_known_events_break_the_plan(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    each = {"path": "properties.total", "rule": "required", "message": "missing"}
    row = {"type": "track", "name": "Paid", "events": 7, "violations": [each]}
    answer = {**CHANGES, "added": [], "tested": 1, "broken": [row], "unplanned": [row]}
    server.answers["POST /v1/sources/shop/plan/check"] = (200, answer)
    done = rapport("plan", "push", str(file), "--source", "shop", "--dry-run")
    assert done.returncode == 1
    assert done.stdout == (
        "Dry run: the plan is as it was.\nbroken: track Paid: properties.total: missing\n"
        "unplanned: track Paid (7 events)\n"
    )
    server.answers["POST /v1/sources/shop/plan/check"] = (200, {**CHANGES, "broken": []})
    tried = rapport("plan", "push", str(file), "--source", "shop", "--dry-run")
    assert tried.stdout == "would be added: track Paid 1\nDry run: the plan is as it was.\n"
    server.answers["POST /v1/sources/shop/plan/check"] = (200, {**answer, "broken": []})
    assert rapport("plan", "push", str(file), "--source", "shop", "--dry-run").returncode == 0


def test_plans_and_the_catalogue_are_shown(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/sources/shop/plan"] = (200, PLAN)
    server.answers["POST /v1/sources/shop/plan/draft"] = (200, PLAN)
    assert json.loads(rapport("plan", "show", "--source", "shop").stdout) == PLAN
    assert json.loads(rapport("plan", "draft", "--source", "shop").stdout) == PLAN
    server.answers["GET /v1/violations"] = (200, {"items": [], "next": None})
    assert rapport("plan", "violations", "--event", "Paid").stdout == "Nothing was broken.\n"
    assert server.calls[-1][1] == "/v1/violations?event=Paid&limit=100"
    entry = {"source": "shop", "type": "track", "name": "Paid", "events": 3, "pii": ["email"]}
    server.answers["GET /v1/catalogue"] = (200, {"items": [entry], "next": None})
    assert "Paid" in rapport("catalogue", "list", "-q", "pai").stdout
    shape = [{"path": "properties.total", "seen": 3, "types": ["number"], "formats": [], "pii": []}]
    detail = {**entry, "shape": shape, "example": {"properties": {"total": 1}}}
    server.answers["GET /v1/catalogue/shop/track"] = (200, detail)
    shown = rapport("catalogue", "show", "Paid", "--source", "shop").stdout
    assert "properties.total" in shown
    assert '"total": 1' in shown
