"""Tables can be hash-distributed by their workspace over several Postgres nodes, as Citus does it.

Its rules: a key that is unique contains the distribution column, a foreign key carries it on both
sides, joins are on it, and it is never changed. See ADR 57; the rules are those of Citus' manual,
"Creating and modifying distributed objects" and "SQL support and workarounds".
"""

import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem
from tests.arch.test_tables import INFRASTRUCTURE, SERVICES, tables

WORKSPACE = "workspace"
LOCAL = INFRASTRUCTURE
"""Tables that stay on the node to which services connect."""

FOUND_BY_ID = {
    "write_key: unique without the workspace: id",
    "invitation: unique without the workspace: invitation_id",
    "complaint_address: unique without the workspace: address",
}
"""What a credential or a link names without its workspace: a local table would have to say it."""

OVER_ALL_WORKSPACES = {
    # Which services owe receipts: their names are joined to requests.
    "rapport_profile.store.privacy._UNANSWERED",
    # Queues of archived campaigns; a queue is named by the id alone.
    "rapport_campaign.store.plan._WITHDRAW_LATE",
}
"""Statements that the service runs for everybody now and then: not for one shard."""

_JOIN = re.compile(
    r"\bJOIN\s+(?:LATERAL\s+)?(?P<table>\w+\.\w+)(?P<rest>.*?)(?=\bJOIN\b|\bWHERE\b|\bUNION\b|$)",
    re.DOTALL | re.IGNORECASE,
)
_MOVES = re.compile(
    r"\bUPDATE\s+\w+\.(?P<table>\w+)\b(?:\s+(?:AS\s+)?\w+)?\s+SET\s+(?:[^()]*?,\s*)?workspace\s*=",
    re.IGNORECASE,
)


def breaches(table: Table) -> Iterator[str]:
    """What of a table Citus would refuse to distribute by the workspace."""
    column = table.columns.get(WORKSPACE)
    if column is None:
        yield f"{table.name} has no workspace"
        return
    if column.nullable or not isinstance(column.type, Text):
        yield f"{table.name}.workspace is text, and never null"
    for key in unique_keys(table):
        if WORKSPACE not in key:
            yield f"{table.name}: unique without the workspace: {', '.join(key)}"
    for one in table.foreign_key_constraints:
        pairs = [(part.parent.name, part.column.name) for part in one.elements]
        if (WORKSPACE, WORKSPACE) not in pairs:
            yield f"{table.name}: a foreign key without the workspace: {pairs}"
        if one.referred_table.name in LOCAL:
            yield f"{table.name}: a foreign key to {one.referred_table.name}, which is local"
    for each in table.columns:
        # On each node a sequence begins with the node's number, for which smaller ones lack room.
        if each.identity is not None and not isinstance(each.type, BigInteger):
            yield f"{table.name}.{each.name}: a sequence is a bigint"


def unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of each key and unique index."""
    for one in table.constraints:
        if isinstance(one, PrimaryKeyConstraint | UniqueConstraint):
            yield tuple(column.name for column in one.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(column.name for column in index.columns)


def joins_apart(statement: str) -> list[str]:
    """The joined tables of a statement that are not joined on the workspace."""
    return [
        match["table"]
        for match in _JOIN.finditer(statement)
        if match["table"].split(".")[1] not in LOCAL and WORKSPACE not in match["rest"]
    ]


def moves(statement: str) -> bool:
    """Whether it gives rows of a distributed table to another workspace."""
    return any(match["table"] not in LOCAL for match in _MOVES.finditer(statement))


def statements(service: str) -> Iterator[tuple[str, str]]:
    """The statements that a service's store has by name: where each is, and its text."""
    for module in modules(service):
        for name, value in vars(module).items():
            if isinstance(value, TextClause):
                yield f"{module.__name__}.{name}", value.text


def modules(service: str) -> Iterable[ModuleType]:
    store = import_module(f"rapport_{service}.store")
    for one in pkgutil.walk_packages(store.__path__, f"{store.__name__}."):
        yield import_module(one.name)


@pytest.mark.parametrize("service", SERVICES)
def test_tables_can_be_distributed_by_the_workspace(service: str) -> None:
    own = [one for one in tables(service) if one.name not in LOCAL]
    assert own
    assert {breach for one in own for breach in breaches(one)} <= FOUND_BY_ID


@pytest.mark.parametrize("service", SERVICES)
def test_what_stays_local_refers_to_nothing_that_is_distributed(service: str) -> None:
    local = [one for one in tables(service) if one.name in LOCAL]
    assert {key.column.table.name for one in local for key in one.foreign_keys} <= LOCAL


@pytest.mark.parametrize("service", SERVICES)
def test_joins_are_on_the_workspace_which_no_statement_changes(service: str) -> None:
    found = dict(statements(service))
    assert found
    apart = {name for name, text in found.items() if joins_apart(text)}
    assert apart <= OVER_ALL_WORKSPACES
    assert [name for name, text in found.items() if moves(text)] == []


def test_the_exceptions_are_still_needed() -> None:
    every = [one for service in SERVICES for one in tables(service) if one.name not in LOCAL]
    assert {breach for one in every for breach in breaches(one)} == FOUND_BY_ID
    texts = dict(pair for service in SERVICES for pair in statements(service))
    assert {name for name, text in texts.items() if joins_apart(text)} == OVER_ALL_WORKSPACES


# --- that the checks see what is wrong


def made(*parts: SchemaItem) -> Table:
    metadata = MetaData(schema="s")
    Table("other", metadata, Column(WORKSPACE, Text, primary_key=True), Column("id", Integer))
    Table("position", metadata, Column("id", Integer, primary_key=True))
    key = (Column(WORKSPACE, Text, primary_key=True), Column("id", Integer, primary_key=True))
    return Table("made", metadata, *key, *parts)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (made(), None),
        (made(UniqueConstraint("id")), "unique without the workspace: id"),
        (made(Column("code", Text, unique=True)), "unique without the workspace: code"),
        (made(Column("owner", Integer, ForeignKey("s.other.id"))), "foreign key without"),
        (made(Column("at", Integer, ForeignKey("s.position.id"))), "which is local"),
        (
            made(
                Column("owner", Integer),
                ForeignKeyConstraint([WORKSPACE, "owner"], ["s.other.workspace", "s.other.id"]),
            ),
            None,
        ),
    ],
)
def test_a_breach_is_seen(table: Table, says: str | None) -> None:
    found = list(breaches(table))
    assert (says is None and not found) or any(says in one for one in found if says)


def test_a_table_without_a_workspace_is_seen() -> None:
    bare = Table("bare", MetaData(), Column("id", Integer, primary_key=True))
    assert list(breaches(bare)) == ["bare has no workspace"]


def test_a_join_on_something_else_is_seen() -> None:
    apart = "SELECT 1 FROM s.a JOIN s.b ON b.id = a.b_id JOIN s.c USING (workspace, id) WHERE true"
    assert joins_apart(apart) == ["s.b"]


def test_a_row_that_goes_to_another_workspace_is_seen() -> None:
    assert moves("UPDATE s.a AS one SET n = 1, workspace = :other")
    assert not moves("UPDATE s.a SET n = 1 WHERE workspace = :mine")
    assert not moves("UPDATE s.position SET workspace = :other")
