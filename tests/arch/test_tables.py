"""Every table belongs to its service's schema, and every key begins with the workspace."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import MetaData, Table

# The bookkeeping of consumers, relays and migrations: about the log, not about a brand's people.
INFRASTRUCTURE = {
    *("position", "dead_letter", "parked_key", "parked", "consumer_command", "consumer_stop"),
    *("outbox_batch", "outbox_refused", "relay_lease", "tally", "alembic_version", "live_message"),
    *("identity_key", "timeline_closing"),
}
ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")


def tables(service: str) -> list[Table]:
    module = import_module(f"rapport_{service}.tables")
    found = [value for value in vars(module).values() if isinstance(value, MetaData)]
    assert found, f"rapport_{service}.tables has no MetaData"
    return [table for metadata in found for table in metadata.tables.values()]


@pytest.mark.parametrize("service", SERVICES)
def test_tables_are_in_the_schema_of_the_service(service: str) -> None:
    assert {table.schema for table in tables(service)} == {service}


@pytest.mark.parametrize("service", SERVICES)
def test_keys_begin_with_the_workspace(service: str) -> None:
    own = [table for table in tables(service) if table.name not in INFRASTRUCTURE]
    wrong = [table.name for table in own if first_key_column(table) != "workspace"]
    assert own
    assert not wrong, f"the first key column must be workspace: {', '.join(wrong)}"


@pytest.mark.parametrize("service", SERVICES)
def test_foreign_keys_stay_inside_the_schema(service: str) -> None:
    targets = {key.column.table.schema for table in tables(service) for key in table.foreign_keys}
    assert targets <= {service}


def first_key_column(table: Table) -> str | None:
    columns = list(table.primary_key.columns)
    return columns[0].name if columns else None


def test_a_cursor_of_another_list_is_no_error_of_the_database() -> None:
    """A cursor's number may be as great as a bigint, whatever column it is compared with."""
    narrow = re.compile(r"CAST\(:(after|before)\w* AS (int|integer|smallint)\)")
    stores = [*ROOT.glob("services/*/src/*/store/*.py"), *ROOT.glob("libs/*/src/**/*.py")]
    wrong = [path.name for path in stores if narrow.search(path.read_text())]
    assert stores
    assert not wrong, f"compare with a bigint: {', '.join(wrong)}"
