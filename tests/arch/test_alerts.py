"""Every alert says something, rests on a metric that exists, and has an entry in the runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/rules.yml"
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
METRIC = re.compile(r"\brapport_[a-z_]+\b")


@pytest.fixture(scope="module")
def source(root: Path, python_files: list[Path]) -> str:
    # Not by the whole path: the checkout itself may be called "tests".
    code = [one for one in python_files if "tests" not in one.relative_to(root).parts]
    return "\n".join(path.read_text() for path in code)


def by_name(alert: dict[str, Any]) -> str:
    return str(alert["alert"])


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_it_has_all_its_parts(alert: dict[str, Any]) -> None:
    assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_its_metrics_exist(alert: dict[str, Any], source: str) -> None:
    missing = [name for name in METRIC.findall(alert["expr"]) if f'"{name}"' not in source]
    assert not missing, f"nothing in the source is called {', '.join(missing)}"


def test_the_runbook_has_an_entry_per_alert_and_no_other(root: Path) -> None:
    runbook = (root / "docs/runbook.md").read_text()
    entries = re.findall(r"^## (\S+)$", runbook, re.MULTILINE)
    assert entries == [alert["alert"] for alert in ALERTS]
    for part in ("**Means:**", "**Look:**", "**Do:**"):
        assert runbook.count(part) == len(entries), part
