"""Segment dies while it builds, swaps and tells scores: all is there once, as if it had not."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support import broker
from tests.support.database import Database
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

PIECE = 500
"""Of scores that are told in one transaction."""
PEOPLE, MOST = PIECE + 40, 5
"""Each has 1 to 5 orders."""

PER_REQUEST = 500
SOME = {"computed": "orders", "op": "gte", "value": 2}
OTHERS = {"computed": "orders", "op": "lte", "value": 3}
ORDERS = "CAST(computed ->> 'orders' AS int)"
KNOWN = "FROM segment.person WHERE workspace = $1 AND known"
Begin = Callable[[], None]


class Shop:
    """People with orders; segment is held at a place and killed there."""

    def __init__(self, stack: Stack, workspace: Workspace, database: Database) -> None:
        self.stack, self.workspace, self.database = stack, workspace, database

    def fill(self) -> None:
        """Let everybody have their orders, and segment know of them."""
        batch = [
            {
                "type": "track",
                "userId": f"p-{person}",
                "event": "Order Completed",
                "messageId": f"{person}-{order}",
                "properties": {"order_id": f"{person}-{order}", "total": "5", "currency": "USD"},
            }
            for person in range(PEOPLE)
            for order in range(person % MOST + 1)
        ]
        url = f"{self.stack.url('ingest')}/v1/batch"
        for first in range(0, len(batch), PER_REQUEST):
            some = batch[first : first + PER_REQUEST]
            self.workspace.sender.post(url, json={"batch": some}).raise_for_status()
        until("all orders", lambda: self.one(f"SELECT sum({ORDERS}) {KNOWN}") == len(batch))

    def one(self, statement: str) -> Any:
        """The one value of a query about the workspace."""
        [found] = self.database.column(statement, self.workspace.name)
        return found

    # --- how it is held and killed ---------------------------------------------------------------

    def dies(self, hold: str, waits: str, begin: Begin) -> None:
        """Segment is killed while a statement with `waits` in it waits for what `hold` locks."""
        with Database(self.stack) as holder:
            holder.run("BEGIN")
            assert holder.rows(hold, *([self.workspace.name] if "$1" in hold else []))
            begin()
            until(waits, lambda: self.database.column(WAITING, f"%{waits}%")[0])
            killed = self.stack.kill("segment")
        # Nobody takes its job before the test says so.
        self._hold_job_for("1 hour")
        self.stack.wait_component("segment", not_pid=killed)

    def dies_at(self, table: str, change: str, when: str, begin: Begin) -> None:
        """Segment is killed at a change of a table, before it commits; what came before is kept."""
        self.database.run(HOLD.format(table=table, change=change, when=when))
        try:
            self.dies(LOCKED, table, begin)
        finally:
            self.database.run(f"DROP TRIGGER held ON {table}; DROP FUNCTION segment.held()")

    def goes_on(self) -> None:
        """The lease of who has died is over."""
        self._hold_job_for("-1 hour")

    def _hold_job_for(self, time: str) -> None:
        until = f"UPDATE segment.job SET held_until = now() + interval '{time}'"
        self.database.run(
            f"{until} WHERE workspace = $1 AND state = 'running'", self.workspace.name
        )

    def dies_everywhere(self, begin: Begin, *places: Callable[["Shop", Begin], None]) -> None:
        """Segment is killed at each of these places of one job, and then goes on."""
        for place in places:
            place(self, begin)
            begin = self.goes_on
        begin()

    # --- what has to hold ------------------------------------------------------------------------

    def settled(self) -> None:
        """All jobs have come to a good end."""
        jobs = "SELECT count(*) FROM segment.job WHERE workspace = $1 AND state"
        until("end of all jobs", lambda: self.one(f"{jobs} IN ('queued', 'running')") == 0)
        assert self.one(f"{jobs} <> 'done'") == 0

    def require_exact(self, segment: str, fits: str, version: int) -> None:
        """Who is in, what is counted, and what was told: each entry and exit once."""
        self.settled()
        inside = self.database.column(INSIDE, self.workspace.name, segment)
        expected = f"SELECT CAST(profile_id AS text) {KNOWN} AND {ORDERS} {fits}"
        assert sorted(inside) == sorted(self.database.column(expected, self.workspace.name))
        shown = self.workspace.get("segment", f"/v1/segments/{segment}")
        assert (shown["status"], shown["version"], shown["upcoming"]) == ("ready", version, None)
        assert shown["members"] == len(inside)
        ledger = self.workspace.get("segment", "/v1/ledger")
        assert ledger["entered"] - ledger["exited"] == ledger["open_memberships"]
        assert self.one("SELECT count(*) FROM segment.candidate WHERE workspace = $1") == 0
        beside = "SELECT count(*) FROM segment.membership WHERE workspace = $1 AND beside"
        assert self.one(beside) == 0
        stays = self.database.rows(STAYS, self.workspace.name, segment)
        happened = Counter((entry, "entered") for entry, _over in stays)
        happened.update((entry, "exited") for entry, over in stays if over)
        assert set(happened.values()) == {1}
        until("all that happened", lambda: self.told(segment).keys() == happened.keys())
        # What was on its way when it died may be there again: the very same.
        assert {len(records) for records in self.told(segment).values()} == {1}

    def told(self, segment: str) -> dict[tuple[str, str], set[bytes]]:
        """What stands on the topic, by entry and change."""
        found: dict[tuple[str, str], set[bytes]] = {}
        kafka = self.stack.config.bootstrap_servers
        for value, one in broker.records(kafka, "segment.membership", self.workspace.name):
            if one["segment_id"] == segment:
                found.setdefault((one["entry_id"], one["change"]), set()).add(value)
        return found


WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE usename = 'segment' AND wait_event_type = 'Lock' AND query LIKE $1"
)
LOCKED = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(4711)) AS locked"
HOLD = """
CREATE FUNCTION segment.held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF {when} THEN PERFORM pg_advisory_xact_lock(4711); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER held BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION segment.held()
"""
INSIDE = (
    "SELECT CAST(profile_id AS text) FROM segment.membership "
    "WHERE workspace = $1 AND CAST(segment_id AS text) = $2 AND exited_at IS NULL"
)
STAYS = (
    "SELECT CAST(entry_id AS text), exited_at IS NOT NULL FROM segment.membership "
    "WHERE workspace = $1 AND CAST(segment_id AS text) = $2 AND NOT beside"
)
MOVED = "NEW.position IS DISTINCT FROM OLD.position AND NEW.position {}"


def in_a_page(shop: Shop, begin: Begin) -> None:
    """People are being locked: by a page of a build, or of those who enter and leave."""
    shop.dies(f"SELECT 1 {KNOWN} FOR UPDATE", "segment.person", begin)


def before_it_is_in_force(shop: Shop, begin: Begin) -> None:
    """All were held against the rule beside; the swap is being written."""
    shop.dies_at("segment.definition", "UPDATE", "NEW.version > OLD.version", begin)
    assert shop.one("SELECT max(version) FROM segment.definition WHERE workspace = $1") == 1


def when_it_is_in_force(shop: Shop, begin: Begin) -> None:
    """The rule is the next version; nobody has entered or left, and the job does not know it."""
    when = MOVED.format('@> \'{"swapping": true, "after": null}\'')
    shop.dies_at("segment.job", "UPDATE", when, begin)
    assert shop.one("SELECT max(version) FROM segment.definition WHERE workspace = $1") == 2


def behind_a_page(shop: Shop, begin: Begin) -> None:
    """Those who enter and leave have, and the job does not know it."""
    exits = "SELECT count(*) FROM segment.membership WHERE workspace = $1 AND exited_at IS NOT NULL"
    when = MOVED.format("@> '{\"swapping\": true}' AND NEW.position ->> 'after' IS NOT NULL")
    shop.dies_at("segment.job", "UPDATE", when, begin)
    assert shop.one(exits) > 0


def while_it_clears(shop: Shop, begin: Begin) -> None:
    """Who fitted the rule beside is taken out, and the job does not know it."""
    shop.dies_at("segment.job", "UPDATE", MOVED.format("@> '{\"clearing\": true}'"), begin)


@pytest.fixture
def shop(stack: Stack, workspace: Workspace) -> Iterator[Shop]:
    with Database(stack) as database:
        made = Shop(stack, workspace, database)
        made.fill()
        yield made


def built(shop: Shop, *places: Callable[[Shop, Begin], None]) -> str:
    """A segment whose build is killed at these places."""
    made: list[str] = []
    name = f"s-{secrets.token_hex(3)}"
    shop.dies_everywhere(lambda: made.append(shop.workspace.segment(name, SOME)), *places)
    shop.settled()
    return made[0]


def swapped(shop: Shop, segment: str, *places: Callable[[Shop, Begin], None]) -> None:
    """Another rule takes the place of a segment's, and is killed at these places."""
    path = f"/v1/segments/{segment}"

    def begin() -> None:
        shop.workspace.patch("segment", path, {"rule": OTHERS})

    shop.dies_everywhere(begin, *places)


def test_a_build_and_a_swap_that_are_killed_are_exact(shop: Shop) -> None:
    segment = built(shop, in_a_page)
    shop.require_exact(segment, ">= 2", 1)
    swapped(shop, segment, when_it_is_in_force, behind_a_page)
    shop.require_exact(segment, "<= 3", 2)


@pytest.mark.long
@pytest.mark.parametrize(
    "places",
    [
        (in_a_page,) * 3,
        (before_it_is_in_force,) * 2,
        (when_it_is_in_force, in_a_page, in_a_page),
        (behind_a_page, while_it_clears),
        (in_a_page, before_it_is_in_force, when_it_is_in_force, behind_a_page, while_it_clears),
    ],
    ids=lambda places: "-".join(one.__name__ for one in places),
)
def test_a_swap_killed_anywhere_is_exact(
    shop: Shop, places: tuple[Callable[[Shop, Begin], None], ...]
) -> None:
    segment = built(shop)
    swapped(shop, segment, *places)
    shop.require_exact(segment, "<= 3", 2)


# --- scores ------------------------------------------------------------------------------------

RFM = {"monetary": {"computed": "revenue", "currency": "USD"}, "every_hours": None}
TOLD = "SELECT count(*) FROM segment.score WHERE workspace = '{}' AND told"


def while_it_tells(shop: Shop, begin: Begin, *, more_than: int = 0) -> None:
    """A piece of the scores is being told, and so many were before."""
    told = TOLD.format(shop.workspace.name)
    when = f"NEW.topic = 'profile.scores' AND ({told}) > {more_than}"
    shop.dies_at("segment.outbox_batch", "INSERT", when, begin)
    assert shop.one(f"SELECT count(*) {KNOWN}") > shop.database.column(told)[0] == more_than


def while_it_tells_the_rest(shop: Shop, begin: Begin) -> None:
    while_it_tells(shop, begin, more_than=PIECE)


@pytest.mark.parametrize(
    "places",
    [
        (while_it_tells_the_rest,),
        pytest.param((while_it_tells, while_it_tells_the_rest), marks=pytest.mark.long),
    ],
)
def test_scores_are_told_once_whenever_segment_dies(
    shop: Shop, places: tuple[Callable[[Shop, Begin], None], ...]
) -> None:
    def begin() -> None:
        shop.workspace.put("segment", "/v1/rfm", RFM)

    shop.dies_everywhere(begin, *places)
    shop.settled()
    kept = "SELECT CAST(profile_id AS text) FROM segment.score WHERE workspace = $1"
    scores = shop.database.column(kept, shop.workspace.name)
    assert len(scores) == PEOPLE

    def told() -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        kafka = shop.stack.config.bootstrap_servers
        for value, one in broker.records(kafka, "profile.scores", shop.workspace.name):
            found.setdefault(one["profile_id"], set()).add(value)
        return found

    until("all scores", lambda: told().keys() == set(scores))
    assert {len(records) for records in told().values()} == {1}
    assert shop.one("SELECT count(*) FROM segment.score WHERE workspace = $1 AND NOT told") == 0
