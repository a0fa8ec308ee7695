"""The migrations make the tables of `tables.py`, and can be taken back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command

from rapport_common.migrations import alembic_config

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.integration
def test_up_check_down_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("campaign"))
    config = alembic_config(ROOT)
    command.check(config)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)
