"""Every service has the one ledger and none of its own; it is for who operates them all."""

import inspect
from pathlib import Path

import pytest
from tests.support.documents import document_of

from rapport_common.events.topics import SERVICES
from rapport_common.operator import ledger


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_common_ledger_and_none_of_its_own(root: Path, service: str) -> None:
    code = root / "services" / service / "src" / f"rapport_{service}"
    assert not [path for path in code.rglob("*.py") if '"/v1/ledger"' in path.read_text()]
    assert "get" in document_of(service)["paths"]["/v1/ledger"]


def test_a_ledger_is_not_for_one_workspaces_operator() -> None:
    """It counts over all workspaces."""
    route = inspect.getsource(ledger).partition('"/v1/ledger"')[2]
    assert "InstallationOps" in route.partition(") -> ")[0]
