"""The proof is worth something: it turns red when something was lost, doubled or changed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from tests.support.database import Database
from tests.support.proof import breaches
from tests.support.traffic import Traffic
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = pytest.mark.faults

PEOPLE = 30
AT_ONCE = 1.0
ENTRIES = "SELECT entry_id FROM segment.membership WHERE workspace = $1"


@contextmanager
def lost_event(stack: Stack, workspace: Workspace) -> Iterator[None]:
    """One event is in the inbox no more."""
    chosen = "workspace = $1 AND message_id = 'u-1-1'"
    with _copied(stack, "profile.inbox", chosen, workspace.name) as database:
        database.run(f"DELETE FROM profile.inbox WHERE {chosen}", workspace.name)
        yield


@contextmanager
def forgotten_orders(stack: Stack, workspace: Workspace) -> Iterator[None]:
    """One person's sums are empty."""
    person = (
        "SELECT profile_id FROM profile.identifier "
        "WHERE workspace = $1 AND kind = 'user_id' AND value = 'u-1'"
    )
    chosen = f"workspace = $1 AND id = ({person})"
    with _copied(stack, "profile.profile", chosen, workspace.name) as database:
        nothing = """'{"members": 1, "fold": {}}'"""
        database.run(
            f"UPDATE profile.profile SET summary = {nothing} WHERE {chosen}", workspace.name
        )
        yield


@contextmanager
def lost_member(stack: Stack, workspace: Workspace) -> Iterator[None]:
    """One person is in the segment no more."""
    with Database(stack) as database:
        (entry, *_) = database.column(ENTRIES, workspace.name)
    chosen = f"workspace = $1 AND entry_id = '{entry}'"
    with _copied(stack, "segment.membership", chosen, workspace.name) as database:
        database.run(f"DELETE FROM segment.membership WHERE {chosen}", workspace.name)
        yield


@contextmanager
def miscounted_events(stack: Stack, _workspace: Workspace) -> Iterator[None]:
    """Profile's ledger tells of one event more than there was."""
    change = "UPDATE profile.tally SET value = value + $1 WHERE name = 'profiled'"
    with Database(stack) as database:
        database.run(change, 1)
        try:
            yield
        finally:
            database.run(change, -1)


@contextmanager
def doubled_mail(stack: Stack, _workspace: Workspace) -> Iterator[None]:
    """One mail is in the mailbox twice."""
    folder = stack.home.mail / "new"
    newest = max(folder.iterdir())
    copy = shutil.copyfile(newest, folder / f"{newest.name}.copy")
    try:
        yield
    finally:
        copy.unlink()


@contextmanager
def lost_mail(stack: Stack, _workspace: Workspace) -> Iterator[None]:
    """One mail is gone."""
    newest = max((stack.home.mail / "new").iterdir())
    aside = newest.rename(stack.home.root / newest.name)
    try:
        yield
    finally:
        aside.rename(newest)


@contextmanager
def _copied(stack: Stack, table: str, chosen: str, value: str) -> Iterator[Database]:
    """Whatever happens to the chosen rows in the block is undone afterwards."""
    aside = f"public.aside_{table.rpartition('.')[2]}"
    with Database(stack) as database:
        database.run(f"CREATE TABLE {aside} AS SELECT * FROM {table} WHERE false")
        database.run(f"INSERT INTO {aside} SELECT * FROM {table} WHERE {chosen}", value)
        try:
            yield database
        finally:
            database.run(f"DELETE FROM {table} WHERE {chosen}", value)
            database.run(f"INSERT INTO {table} SELECT * FROM {aside}")
            database.run(f"DROP TABLE {aside}")


# What is done together is told apart by the complaints; a lost and a doubled mail would hide
# each other.
Doctoring = Callable[[Stack, Workspace], AbstractContextManager[None]]
ROUNDS: list[dict[Doctoring, str]] = [
    {
        lost_event: "inbox: 1 lost",
        forgotten_orders: "revenue:",
        lost_member: "segment:",
        miscounted_events: "ledger: consumed by profile",
        doubled_mail: "mails: 1 doubled",
    },
    {lost_mail: "mails:"},
]


def test_the_proof_turns_red_when_it_should(stack: Stack, workspace: Workspace) -> None:
    traffic = Traffic.prepared(workspace, PEOPLE)
    with traffic.replay() as replay:
        replay.finish()
    assert breaches(traffic) == []
    for together in ROUNDS:
        with ExitStack() as undoing:
            for doctored in together:
                undoing.enter_context(doctored(stack, workspace))
            found = breaches(traffic, settle=AT_ONCE)
        for complaint in together.values():
            assert any(one.startswith(complaint) for one in found), found
    assert breaches(traffic) == []
