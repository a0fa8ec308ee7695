"""The event catalogue: which events a source sends, how often and of what shape."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.catalogue import MAX_PATHS, Learnt
from rapport_ingest.domain.source import Caller


class EventName(NamedTuple):
    """An event of a source; `name` is "" for types without a name."""

    workspace: str
    source: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Catalogued:
    """One entry of the catalogue."""

    key: EventName
    learnt: Learnt


# Sums by path and count; of too many paths the first by code point, as `domain.catalogue.merged`.
_SHAPE = f"""
(SELECT coalesce(jsonb_object_agg(kept.path, kept.counts), '{{}}') FROM (
  SELECT sums.path, jsonb_object_agg(sums.name, sums.n) AS counts FROM (
    SELECT paths.key AS path, counts.key AS name, sum(CAST(counts.value AS bigint)) AS n
    FROM (SELECT * FROM jsonb_each(c.shape) UNION ALL SELECT * FROM jsonb_each(excluded.shape))
      AS paths, jsonb_each_text(paths.value) AS counts GROUP BY paths.key, counts.key
  ) AS sums GROUP BY sums.path ORDER BY sums.path COLLATE "C" LIMIT {MAX_PATHS}) AS kept)
"""
_EXAMPLE = """
(SELECT both_of.example FROM (VALUES (c.example), (excluded.example)) AS both_of(example)
 ORDER BY both_of.example ->> 'at' COLLATE "C" DESC NULLS LAST,
 CAST(both_of.example AS text) COLLATE "C" DESC LIMIT 1)
"""
_COLUMNS = "workspace, source, type, name, events, samples, first_seen, last_seen"


async def merge(tx: AsyncConnection, learnt: Mapping[EventName, Learnt]) -> None:
    """Merge what was learnt into what is stored, in sorted order, in one statement."""
    rows = sorted(learnt.items(), key=lambda one: one[0])
    columns: dict[str, list[Any]] = {
        name: [getattr(key, name) for key, _ in rows] for name in EventName._fields
    }
    for name in ("events", "samples", "first_seen", "last_seen"):
        columns[name] = [getattr(one, name) for _, one in rows]
    columns["shapes"] = [msgspec.json.encode(one.shape).decode() for _, one in rows]
    columns["examples"] = [
        None if one.example is None else msgspec.json.encode(one.example).decode()
        for _, one in rows
    ]
    await tx.execute(
        text(
            f"INSERT INTO ingest.catalogue AS c ({_COLUMNS}, shape, example) "
            "SELECT g.workspace, g.source, g.type, g.name, g.events, g.samples, g.first_seen, "
            "g.last_seen, CAST(g.shape AS jsonb), CAST(g.example AS jsonb) FROM unnest("
            "CAST(:workspace AS text[]), CAST(:source AS text[]), CAST(:type AS text[]), "
            "CAST(:name AS text[]), CAST(:events AS bigint[]), CAST(:samples AS bigint[]), "
            "CAST(:first_seen AS timestamptz[]), CAST(:last_seen AS timestamptz[]), "
            f"CAST(:shapes AS text[]), CAST(:examples AS text[])) AS g({_COLUMNS}, shape, example) "
            "ON CONFLICT (workspace, source, type, name) DO UPDATE SET "
            "events = c.events + excluded.events, samples = c.samples + excluded.samples, "
            "first_seen = least(c.first_seen, excluded.first_seen), "
            "last_seen = greatest(c.last_seen, excluded.last_seen), "
            f"shape = {_SHAPE}, example = {_EXAMPLE}"
        ),
        columns,
    )


async def known(tx: AsyncConnection, keys: Collection[EventName]) -> set[EventName]:
    """Those of these that are stored already."""
    rows = sorted(keys)
    result = await tx.execute(
        text(
            "SELECT c.workspace, c.source, c.type, c.name FROM ingest.catalogue c JOIN unnest("
            "CAST(:workspace AS text[]), CAST(:source AS text[]), CAST(:type AS text[]), "
            "CAST(:name AS text[])) AS g(workspace, source, type, name) "
            "USING (workspace, source, type, name)"
        ),
        {name: [getattr(one, name) for one in rows] for name in EventName._fields},
    )
    return {EventName(*row) for row in result}


async def sizes(tx: AsyncConnection, callers: Collection[Caller]) -> dict[Caller, int]:
    """How many entries these sources have."""
    result = await tx.execute(
        text(
            "SELECT c.workspace, c.source, count(*) FROM ingest.catalogue c JOIN unnest("
            "CAST(:workspaces AS text[]), CAST(:sources AS text[])) AS g(workspace, source) "
            "USING (workspace, source) GROUP BY c.workspace, c.source"
        ),
        {
            "workspaces": [one.workspace for one in callers],
            "sources": [one.source for one in callers],
        },
    )
    return {Caller(row[0], row[1]): row[2] for row in result}


async def entries(
    tx: AsyncConnection,
    workspace: str,
    *,
    source: str | None = None,
    kind: str | None = None,
    name: str | None = None,
    query: str | None = None,
    after: tuple[int, str, str, str] | None = None,
    limit: int = 1000,
) -> list[Catalogued]:
    """Entries of a workspace, the most frequent first; `query` is a part of the name.

    Those behind `after` (events, source, type, name).
    """
    last = after or (None, None, None, None)
    result = await tx.execute(
        text(
            f"SELECT {_COLUMNS}, CAST(shape AS text), CAST(example AS text) "
            "FROM ingest.catalogue WHERE workspace = :workspace "
            "AND (CAST(:source AS text) IS NULL OR source = :source) "
            "AND (CAST(:kind AS text) IS NULL OR type = :kind) "
            "AND (CAST(:name AS text) IS NULL OR name = :name) "
            "AND (CAST(:query AS text) IS NULL OR position(lower(:query) IN lower(name)) > 0) "
            "AND (CAST(:last_events AS bigint) IS NULL OR events < :last_events "
            "OR (events = :last_events AND (source, type, name) > (CAST(:last_source AS text), "
            "CAST(:last_type AS text), CAST(:last_name AS text)))) "
            "ORDER BY events DESC, source, type, name LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "source": source,
            "kind": kind,
            "name": name,
            "query": query,
            "last_events": last[0],
            "last_source": last[1],
            "last_type": last[2],
            "last_name": last[3],
            "limit": limit,
        },
    )
    return [_catalogued(row) for row in result]


def _catalogued(row: Any) -> Catalogued:
    learnt = Learnt(
        events=row[4],
        samples=row[5],
        first_seen=row[6],
        last_seen=row[7],
        shape=msgspec.json.decode(row[8]),
        example=None if row[9] is None else msgspec.json.decode(row[9]),
    )
    return Catalogued(EventName(*row[:4]), learnt)
