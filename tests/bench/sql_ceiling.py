"""What Postgres alone can do here: what profile and segment have written for a burst, once more.

In a database of its own, in the services' own tables, with the same rows, as many in a transaction;
by bare statements over one connection, which read nothing and wait for nobody.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from sqlalchemy import text
from tests.bench.written import Event, Keyed, Person, written

from rapport_common.db import create_engine
from rapport_profile.tables import METADATA as PROFILE
from rapport_segment.tables import METADATA as SEGMENT

DATABASE = "bench_ceiling"
SOURCE_DATABASE = "rapport"
BATCH = 1000
PARTITIONS = 12
W = "'bench'"


def _packed(number: int, kind: str) -> str:
    """A column that is sent as one text: what asyncpg does to each element is not Postgres."""
    return f"string_to_array(${number}::text, ',', '')::{kind}[]"


INBOX = f"""INSERT INTO profile.inbox
  (workspace, source, message_id, hash, identifier_id, timestamp, received_at)
  SELECT {W}, * FROM unnest({_packed(1, "text")}, $2::text[], $3::bytea[], {_packed(4, "uuid")},
  $5::timestamptz[], $6::timestamptz[]) ON CONFLICT DO NOTHING"""
TIMELINE = f"""INSERT INTO profile.timeline
  (workspace, source, message_id, identifier_id, timestamp, event)
  SELECT {W}, s, m, i, t, e::json FROM unnest({_packed(1, "text")}, $2::text[],
  {_packed(3, "uuid")}, $4::timestamptz[], $5::text[]) AS v(s, m, i, t, e)"""
IDENTIFIER = f"""INSERT INTO profile.identifier (workspace, id, kind, value, fold)
  SELECT {W}, i, k, v, '{{}}' FROM unnest({_packed(1, "uuid")}, {_packed(2, "text")}, $3::text[])
  AS v(i, k, v) ON CONFLICT DO NOTHING"""
FOLD = f"""UPDATE profile.identifier i SET profile_id = v.p, cluster_id = v.c, fold = v.f::json
  FROM unnest({_packed(1, "uuid")}, {_packed(2, "uuid")}, {_packed(3, "uuid")}, $4::text[])
  AS v(i, p, c, f) WHERE i.workspace = {W} AND i.id = v.i"""
LINK = f"""INSERT INTO profile.link
  (workspace, a, b, kind, timestamp, message_id, source, void)
  SELECT {W}, *, false FROM unnest({_packed(1, "uuid")}, {_packed(2, "uuid")}, {_packed(3, "text")},
  $4::timestamptz[], $5::text[], {_packed(6, "text")}) ON CONFLICT DO NOTHING"""
SUMMARY = f"""INSERT INTO profile.profile (workspace, id, version, members, summary)
  SELECT {W}, i, v, m, s::json FROM unnest({_packed(1, "uuid")}, {_packed(2, "bigint")},
  {_packed(3, "bigint")}, $4::text[]) AS v(i, v, m, s) ON CONFLICT (workspace, id)
  DO UPDATE SET version = excluded.version, members = excluded.members,
  summary = excluded.summary"""
NEW_PERSON = f"""INSERT INTO segment.person (workspace, profile_id, version)
  SELECT {W}, i, 0 FROM unnest({_packed(1, "uuid")}) AS v(i) ON CONFLICT DO NOTHING"""
PERSON = f"""UPDATE segment.person p SET version = v.v, known = true, computed_version = v.v,
  computed = v.c::jsonb, identifiers = coalesce(v.i::jsonb, p.identifiers),
  traits = coalesce(v.t::jsonb, p.traits) FROM unnest({_packed(1, "uuid")}, {_packed(2, "bigint")},
  $3::text[], $4::text[], $5::text[]) AS v(id, v, i, t, c)
  WHERE p.workspace = {W} AND p.profile_id = v.id"""
ENTRY = f"""INSERT INTO segment.membership (workspace, profile_id, segment_id, entry_id, entered_at,
  segment_version, profile_version, reason) SELECT {W}, * FROM unnest({_packed(1, "uuid")},
  {_packed(2, "uuid")}, {_packed(3, "uuid")}, $4::timestamptz[], {_packed(5, "int")},
  {_packed(6, "bigint")}, $7::text[])"""

Statements = list[tuple[str, list[Any]]]
"""What is sent in one transaction: each statement with its columns."""


@dataclass(frozen=True)
class Ceiling:
    """Events a second: what profile writes for them, and what profile and segment do.

    `missing`: so many entries of segment were not written again, and it is too high.
    """

    profile: float
    both: float
    missing: int

    @property
    def note(self) -> str:
        """For people."""
        missing = f" ({self.missing:,} entries MISSING)" if self.missing else ""
        return f"ceiling: the same writes in bare SQL{missing}"


def measure(server: str, bootstrap: str, most: int) -> Ceiling:
    """Write what was written for the first `most` events (called in a process of its own)."""
    return uvloop.run(_measure(server, bootstrap, most))


async def _measure(server: str, bootstrap: str, most: int) -> Ceiling:
    events, people = await written(f"{server}/{SOURCE_DATABASE}", bootstrap, most)
    await _recreate(server)
    settings = {"plan_cache_mode": "force_custom_plan"}
    connection = await asyncpg.connect(f"{server}/{DATABASE}", server_settings=settings)
    try:
        for schema in ("profile", "segment"):
            await connection.execute(
                f"INSERT INTO {schema}.position (grp, topic, partition, next_offset) "
                f"SELECT '{schema}', 't', n, 0 FROM generate_series(1, {PARTITIONS}) AS n"
            )
        visits: defaultdict[UUID, int] = defaultdict(int)
        spent = {"profile": 0.0, "segment": 0.0}
        for first in range(0, len(events), BATCH):
            batch = events[first : first + BATCH]
            found = [(one, people[one.profile_id], _visit(visits, one)) for one in batch]
            for schema, made in (("profile", _profile(found)), ("segment", _segment(found))):
                spent[schema] += await _write(connection, schema, *made)
        entries: int = await connection.fetchval("SELECT count(*) FROM segment.membership")
    finally:
        await connection.close()
    both = spent["profile"] + spent["segment"]
    missing = sum(len(people[one].entries) for one in visits) - entries
    return Ceiling(len(events) / spent["profile"], len(events) / both, missing)


async def _recreate(server: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    engine = create_engine(f"{server}/{DATABASE}", application="bench")
    async with engine.begin() as tx:
        for one in (PROFILE, SEGMENT):
            await tx.execute(text(f"CREATE SCHEMA {one.schema}"))
            await tx.run_sync(one.create_all)
        # A burst is all of one month.
        await tx.execute(
            text("CREATE TABLE profile.timeline_all PARTITION OF profile.timeline DEFAULT")
        )
    await engine.dispose()


Visit = tuple[Event, Person, int]
"""An event, its person, and how many of that person were before it."""


def _visit(visits: dict[UUID, int], event: Event) -> int:
    visits[event.profile_id] += 1
    return visits[event.profile_id] - 1


async def _write(
    connection: asyncpg.Connection, schema: str, statements: Statements, records: list[Keyed]
) -> float:
    """One transaction as the consumer's, and one as the relay's; the seconds of both."""
    began = time.perf_counter()
    async with connection.transaction():
        await connection.execute(
            f"UPDATE {schema}.position SET next_offset = next_offset + 1, updated_at = now()"
        )
        for statement, columns in statements:
            if columns[0]:
                await connection.execute(statement, *columns)
        if records:
            await connection.execute(
                f"INSERT INTO {schema}.outbox_batch (topic, version, keys, payloads, records, "
                "bytes) VALUES ('t', 2, $1, $2, $3, $4)",
                [key for key, _ in records],
                [value for _, value in records],
                len(records),
                sum(len(key) + len(value) for key, value in records),
            )
        await connection.execute(
            f"INSERT INTO {schema}.tally AS t (name, value) VALUES ('t', {BATCH}) "
            "ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"
        )
    if records:
        await connection.execute(f"DELETE FROM {schema}.outbox_batch")
    return time.perf_counter() - began


def _pack(values: Any) -> str:
    return ",".join("" if one is None else str(one) for one in values)


def _columns(rows: list[Any], number: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(number)]


def _profile(found: list[Visit]) -> tuple[Statements, list[Keyed]]:
    events = [event for event, _, _ in found]
    ids, who = _pack(one.identifier_id for one in events), _latest(found)
    sources, messages = _pack(one.source for one in events), [one.message_id for one in events]
    times = [one.timestamp for one in events]
    new = {event.profile_id: person for event, person, visit in found if not visit}
    nodes = [[*row, profile] for profile, one in new.items() for row in one.identifiers]
    node_ids, kinds, values, clusters, folds, owners = _columns(nodes, 6)
    a, b, link_kinds, *evidence = _columns([row for one in new.values() for row in one.links], 6)
    profiles = [person.profile for person, _ in who.values()]
    hashes, received = [one.hash for one in events], [one.received_at for one in events]
    statements: Statements = [
        (INBOX, [sources, messages, hashes, ids, times, received]),
        (IDENTIFIER, [_pack(node_ids), _pack(kinds), values]),
        (FOLD, [_pack(node_ids), _pack(owners), _pack(clusters), folds]),
        (LINK, [_pack(a), _pack(b), _pack(link_kinds), *evidence[:2], _pack(evidence[2])]),
        (
            SUMMARY,
            [
                _pack(who),
                _pack(visit + 1 for _, visit in who.values()),
                _pack(row[0] for row in profiles),
                [row[1] for row in profiles],
            ],
        ),
        (TIMELINE, [sources, messages, ids, times, [one.event for one in events]]),
    ]
    return statements, [one.told[min(visit, len(one.told) - 1)] for _, one, visit in found]


def _segment(found: list[Visit]) -> tuple[Statements, list[Keyed]]:
    who = _latest(found)
    new = {event.profile_id for event, _, visit in found if not visit}
    held = [
        (*(row[:2] if profile in new else (None, None)), row[2])
        for profile, row in ((profile, person.held) for profile, (person, _) in who.items())
    ]
    entries, records = [], []
    for event, person, visit in found:
        mine = [(row, at) for at, row in enumerate(person.entries) if row[4] == visit + 1]
        entries += [(event.profile_id, *row) for row, _ in mine]
        records += [person.entered[at] for _, at in mine if at < len(person.entered)]
    ids, segments, entry_ids, times, versions, profile_versions, reasons = _columns(entries, 7)
    version = _pack(visit + 1 for _, visit in who.values())
    statements: Statements = [
        (NEW_PERSON, [_pack(new)]),
        (PERSON, [_pack(who), version, *_columns(held, 3)]),
        (
            ENTRY,
            [
                *(_pack(one) for one in (ids, segments, entry_ids)),
                times,
                _pack(versions),
                _pack(profile_versions),
                reasons,
            ],
        ),
    ]
    return statements, records


def _latest(found: list[Visit]) -> dict[UUID, tuple[Person, int]]:
    """A person of a batch is written once in it."""
    return {event.profile_id: (person, visit) for event, person, visit in found}
