"""A million people in segment's tables, with what happened to them and the segments they are in:
made once, judged by segment's own code, and kept between runs.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from multiprocessing import get_context
from typing import Any

import asyncpg
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from tests.bench import shoppers
from tests.bench.shoppers import CROWD, Shopper
from tests.bench.table import console

from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.membership import Moment, Person, judge, settle
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import IDENTIFIERS
from rapport_segment.handlers.passing import ahead
from rapport_segment.store.due import CHECK
from rapport_segment.tables import FOLLOWED

CHUNK = 2_000
"""People whose rows are written in one transaction: of a run that was cut off whole chunks stay."""

VERSION = 1
FAST = {"synchronous_commit": "off"}
COLUMNS = {
    "person": (
        *("workspace", "profile_id", "version", "known"),
        *(f"{one}_version" for one in FOLLOWED.sections),
        *FOLLOWED.sections,
    ),
    "anchor": ("workspace", "profile_id", "anchor"),
    "happening": (
        *("workspace", "source", "message_id", "anchor", "name", "at", "received_at", "copy"),
        "properties",
    ),
    "membership": (
        *("workspace", "profile_id", "segment_id", "entry_id", "entered_at", "segment_version"),
        *("profile_version", "reason"),
    ),
    "due": ("workspace", "kind", "key", "at", "try_at"),
}
"""By table, in the order in which `Rows` has the values."""

_DEFINE = """
INSERT INTO segment.definition (workspace, segment_id, version, name, rule, active, created_at,
  updated_at, built_version, told_at) VALUES ($1, $2, 1, $3, $4, true, $5, $5, 1, now())
ON CONFLICT DO NOTHING
"""
_VERSION = """
INSERT INTO segment.definition_version (workspace, segment_id, version, name, rule, active,
  created_at, created_by) VALUES ($1, $2, 1, $3, $4, true, $5, 'bench') ON CONFLICT DO NOTHING
"""
_REVISION = """
INSERT INTO segment.revision AS r (workspace, revision) VALUES ($1, 1)
ON CONFLICT (workspace) DO UPDATE SET revision = r.revision + 1
"""
_LANE = "INSERT INTO segment.due_lane (workspace, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING"


@dataclass(frozen=True)
class Rows:
    """The rows of each table of `COLUMNS`."""

    tables: dict[str, list[tuple[Any, ...]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )


def fill(database: str, wanted: int) -> None:
    """Make people until there are so many, and the segments."""
    missing = uvloop.run(_begin(database, wanted))
    if missing:
        until = shoppers.today()
        with Progress(
            "people in the store",
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as bar:
            task = bar.add_task("", total=wanted, completed=wanted - sum(map(len, missing)))
            workers = os.cpu_count() or 1
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                written = [pool.submit(write, database, one, until) for one in missing]
                for one in as_completed(written):
                    bar.advance(task, one.result())
        uvloop.run(_settle(database))


def write(database: str, chunk: range, until: datetime) -> int:
    """Make the people with these numbers and copy their rows (in a process of the pool)."""
    rows, rules = Rows(), _rulebook()
    nothing: dict[str, tuple[()]] = dict.fromkeys(rules.event_names, ())
    for number in chunk:
        _add(rows.tables, shoppers.shopper(number, until), rules, nothing, until)
    uvloop.run(_copy(database, rows))
    return len(chunk)


@cache
def _rulebook() -> Rulebook:
    judges = Judges()
    return Rulebook(
        [
            Definition.of(shoppers.segment_id(name), 1, name, parse(rule), judges=judges)
            for name, rule in shoppers.segments().items()
        ]
    )


def _add(
    tables: dict[str, list[Any]],
    one: Shopper,
    rules: Rulebook,
    nothing: dict[str, tuple[()]],
    until: datetime,
) -> None:
    versions = (VERSION,) * len(FOLLOWED.sections)
    texts = [section.text for section in one.sections]
    tables["person"].append((CROWD, one.id, VERSION, True, *versions, *texts))
    anchors = one.sections[IDENTIFIERS].anchors
    tables["anchor"] += [(CROWD, one.id, anchor) for anchor in anchors]
    tables["happening"] += [
        (CROWD, each.source, each.message_id, anchors[0], name, each.at, each.at, 0, each.told.text)
        for name, each in one.events
    ]
    facts = one.facts(nothing)
    person = Person(CROWD, one.id, VERSION, versions, facts, known=True)
    moment = Moment(until, "definition")
    person, changes = settle(*judge(person, rules.definitions, moment), rules, moment)
    for entry in (change.entry for change in changes):
        stay = (entry.segment_id, entry.entry_id, entry.entered_at, entry.segment_version)
        tables["membership"].append((CROWD, one.id, *stay, VERSION, entry.reason))
    tables["due"] += [(CROWD, CHECK, row.key, row.at, row.at) for row in ahead([person])]


async def _begin(database: str, wanted: int) -> list[range]:
    """The chunks that are not there."""
    connection = await asyncpg.connect(database)
    try:
        await define(connection, CROWD, shoppers.segments())
        chunks = [range(at, min(wanted, at + CHUNK)) for at in range(0, wanted, CHUNK)]
        firsts = {shoppers.profile_id(one[0]): one for one in chunks}
        there = await connection.fetch(
            "SELECT profile_id FROM segment.person WHERE workspace = $1 AND profile_id = ANY($2)",
            CROWD,
            list(firsts),
        )
        for row in there:
            del firsts[row["profile_id"]]
        return list(firsts.values())
    finally:
        await connection.close()


async def define(
    connection: asyncpg.Connection, workspace: str, rules: dict[str, dict[str, Any]]
) -> None:
    """Have these segments in a workspace, complete, by name; those that are there stay."""
    at = shoppers.today()
    known = await connection.fetchval(
        "SELECT count(*) FROM segment.definition WHERE workspace = $1", workspace
    )
    if known == len(rules):
        return
    rows = [
        (workspace, shoppers.segment_id(name), name, json.dumps(rule), at)
        for name, rule in rules.items()
    ]
    async with connection.transaction():
        await connection.executemany(_DEFINE, rows)
        await connection.executemany(_VERSION, rows)
        await connection.execute(_REVISION, workspace)
        await connection.execute(_LANE, workspace, CHECK)


async def _copy(database: str, rows: Rows) -> None:
    connection = await asyncpg.connect(database, server_settings=FAST)
    try:
        async with connection.transaction():
            for table, columns in COLUMNS.items():
                await connection.copy_records_to_table(
                    table, schema_name="segment", columns=columns, records=rows.tables[table]
                )
    finally:
        await connection.close()


async def overdue(database: str) -> int:
    """How many people are to be looked at again, and have not been yet."""
    connection = await asyncpg.connect(database)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM segment.due WHERE kind = $1 AND failed_at IS NULL "
                "AND try_at <= now()",
                CHECK,
            )
        )
    finally:
        await connection.close()


async def _settle(database: str) -> None:
    """Tell the planner how much there is."""
    connection = await asyncpg.connect(database, server_settings=FAST)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
