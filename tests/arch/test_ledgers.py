"""The ledger counts over all workspaces, so it is for who operates the installation."""

from pathlib import Path

import pytest

from rapport_common.events.topics import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_a_ledger_is_not_for_one_workspaces_operator(root: Path, service: str) -> None:
    code = root / "services" / service / "src" / f"rapport_{service}"
    routes = [
        path.read_text().partition('"/v1/ledger"')[2]
        for path in [*code.glob("api.py"), *code.glob("api/*.py")]
        if '"/v1/ledger"' in path.read_text()
    ]
    assert len(routes) == 1
    assert "InstallationOps" in routes[0].partition(") -> ")[0]
