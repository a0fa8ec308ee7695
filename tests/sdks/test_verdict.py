"""The comparison sees each kind of difference: a table that can't say no proves nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.sdks.clients import CLIENTS, Client
from tests.sdks.verdict import Outcome, stored_key, table

AT = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Path(__file__).parent


def outcome() -> Outcome:
    """A run in which all went well."""
    client = CLIENTS[0]
    calls = client.plan()
    found = Outcome(client, calls, AT, AT + timedelta(seconds=1), total=len(calls))
    for call in calls:
        body = "traits" if call.kind in {"identify", "group"} else "properties"
        found.stored.append(
            {
                "type": call.kind,
                "name": call.name,
                "user_id": call.user,
                "anonymous_id": call.anonymous,
                "group_id": call.group,
                "previous_id": call.previous,
                "timestamp": AT.isoformat(),
                body: dict(call.data),
            }
        )
    return found


def test_what_is_as_it_was_sent_is_exact() -> None:
    assert outcome().breaches() == []
    assert table([outcome()])[1].endswith("exact")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Another"),
        ("user_id", "somebody"),
        ("type", "page"),
        ("timestamp", (AT - timedelta(hours=1)).isoformat()),
        ("properties", {"n": 2, "shelf": "none"}),
    ],
)
def test_a_changed_field_is_seen(field: str, value: Any) -> None:
    found = outcome()
    changed = next(one for one in found.stored if stored_key(one) == ("track", None, 2))
    changed[field] = value
    assert found.breaches()
    assert table([found])[1].endswith("FAILED")


def test_a_loss_a_double_a_stranger_and_a_fault_not_played_are_seen() -> None:
    lost, doubled, strange, spared = outcome(), outcome(), outcome(), outcome()
    lost.stored.pop()
    doubled.stored.append(doubled.stored[0])
    strange.total += 1
    spared.left = ("503",)
    failed = outcome()
    failed.failure = "it ended"
    silent = outcome()
    silent.client = replace(silent.client, captures=("$autocapture",))
    for one in (lost, doubled, strange, spared, failed, silent):
        assert len(one.breaches()) == 1


@pytest.mark.parametrize("client", [pytest.param(one, id=one.label) for one in CLIENTS])
def test_the_table_and_the_guide_name_the_version_that_runs(client: Client) -> None:
    name = client.name.removesuffix(" (Python)")
    packages = json.loads((HERE / "node/package.json").read_text())["dependencies"]
    installed = version(name) if client.where == "python" else packages[name]
    guide = (HERE.parents[1] / "docs/guides/sdks.md").read_text()
    assert client.version == installed
    assert f"| {name} {installed} " in guide
