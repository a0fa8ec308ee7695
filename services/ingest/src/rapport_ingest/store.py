"""Every SQL statement of ingest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.producer import Outgoing


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose events a write key brings."""

    workspace: str
    source: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A write key as it is kept."""

    caller: Caller
    hash: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a workspace, as operators see it."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was not accepted, with the head of what was sent."""

    source: str
    message_id: str
    received_at: datetime
    code: str
    path: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Spooled:
    """An accepted event on its way into the spool, or waiting there."""

    caller: Caller
    message_id: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """What waits in the spool: how many, how much, for how long (seconds)."""

    rows: int
    bytes: int
    oldest: float


@dataclass(slots=True)
class Tally:
    """How many events were answered, by verdict; `accepted` includes `spooled`."""

    received: int = 0
    accepted: int = 0
    spooled: int = 0
    rejected: int = 0

    def add(self, other: "Tally") -> None:
        """Count the other's events too."""
        self.received += other.received
        self.accepted += other.accepted
        self.spooled += other.spooled
        self.rejected += other.rejected


Tallies = dict[Caller, Tally]


async def add_source(tx: AsyncConnection, workspace: str, source: str, name: str) -> bool:
    """Create a source; False when its id is taken."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.source (workspace, id, name) VALUES (:workspace, :id, :name) "
            "ON CONFLICT (workspace, id) DO NOTHING"
        ),
        {"workspace": workspace, "id": source, "name": name},
    )
    return result.rowcount == 1


async def add_key(tx: AsyncConnection, caller: Caller, key_id: str, key_hash: bytes) -> None:
    """Give a source a write key."""
    await tx.execute(
        text(
            "INSERT INTO ingest.write_key (workspace, id, source, hash) "
            "VALUES (:workspace, :id, :source, :hash)"
        ),
        {
            "workspace": caller.workspace,
            "id": key_id,
            "source": caller.source,
            "hash": key_hash,
        },
    )


async def find_keys(tx: AsyncConnection, key_ids: Sequence[str]) -> dict[str, StoredKey]:
    """The keys with these ids, by id, without the revoked ones."""
    result = await tx.execute(
        text(
            "SELECT id, workspace, source, hash FROM ingest.write_key "
            "WHERE id = ANY(CAST(:ids AS text[])) AND revoked_at IS NULL"
        ),
        {"ids": list(key_ids)},
    )
    return {row[0]: StoredKey(Caller(row[1], row[2]), row[3]) for row in result}


async def sources(tx: AsyncConnection, workspace: str) -> list[Source]:
    """All sources of a workspace, by id."""
    result = await tx.execute(
        text(
            "SELECT id, name, created_at FROM ingest.source "
            "WHERE workspace = :workspace ORDER BY id"
        ),
        {"workspace": workspace},
    )
    return [Source(*row) for row in result]


async def keep_rejected(tx: AsyncConnection, workspace: str, rows: Sequence[Rejected]) -> None:
    """Keep what was not accepted, with its reason."""
    await tx.execute(
        text(
            "INSERT INTO ingest.rejected "
            "(workspace, source, message_id, received_at, code, path, reason, body) "
            "SELECT :workspace, v.* FROM unnest(CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:received AS timestamptz[]), "
            "CAST(:codes AS text[]), CAST(:paths AS text[]), CAST(:reasons AS text[]), "
            "CAST(:bodies AS bytea[])) AS v"
        ),
        {
            "workspace": workspace,
            "sources": [one.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "received": [one.received_at for one in rows],
            "codes": [one.code for one in rows],
            "paths": [one.path for one in rows],
            "reasons": [one.reason for one in rows],
            "bodies": [one.body for one in rows],
        },
    )


async def rejected(
    tx: AsyncConnection,
    workspace: str,
    *,
    source: str | None = None,
    message_id: str | None = None,
    limit: int = 100,
) -> list[Rejected]:
    """The latest rejected events, newest first."""
    result = await tx.execute(
        text(
            "SELECT source, message_id, received_at, code, path, reason, body "
            "FROM ingest.rejected WHERE workspace = :workspace "
            "AND (CAST(:source AS text) IS NULL OR source = :source) "
            "AND (CAST(:message_id AS text) IS NULL OR message_id = :message_id) "
            "ORDER BY id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "source": source, "message_id": message_id, "limit": limit},
    )
    return [Rejected(*row) for row in result]


async def spool(tx: AsyncConnection, rows: Sequence[Spooled]) -> None:
    """Keep accepted events until Kafka takes them."""
    await tx.execute(
        text(
            "INSERT INTO ingest.spool (workspace, source, message_id, key, value, traceparent) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]), "
            "CAST(:traces AS text[]))"
        ),
        {
            "workspaces": [one.caller.workspace for one in rows],
            "sources": [one.caller.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "keys": [one.outgoing.key for one in rows],
            "values": [one.outgoing.value for one in rows],
            "traces": [one.outgoing.traceparent for one in rows],
        },
    )


async def oldest_spooled(
    tx: AsyncConnection, topic: str, limit: int
) -> tuple[list[int], list[Outgoing]]:
    """(ids, records) of the oldest rows that no other process is draining; locks them."""
    result = await tx.execute(
        text(
            "SELECT id, key, value, traceparent FROM ingest.spool "
            "ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"limit": limit},
    )
    rows = result.fetchall()
    return [row[0] for row in rows], [Outgoing(topic, row[1], row[2], row[3]) for row in rows]


async def delete_spooled(tx: AsyncConnection, ids: Sequence[int]) -> None:
    """Forget rows that Kafka has acknowledged."""
    await tx.execute(
        text("DELETE FROM ingest.spool WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": list(ids)}
    )


async def spool_size(tx: AsyncConnection) -> SpoolSize:
    """What waits in the spool."""
    result = await tx.execute(
        text(
            "SELECT count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0), "
            "coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM ingest.spool"
        )
    )
    row = result.one()
    return SpoolSize(row[0], int(row[1]), float(row[2]))


async def spooled_event(
    tx: AsyncConnection, workspace: str, message_id: str, source: str | None
) -> tuple[str, bytes] | None:
    """(source, value) of an event that waits in the spool."""
    result = await tx.execute(
        text(
            "SELECT source, value FROM ingest.spool "
            "WHERE workspace = :workspace AND message_id = :message_id "
            "AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY id LIMIT 1"
        ),
        {"workspace": workspace, "message_id": message_id, "source": source},
    )
    row = result.first()
    return None if row is None else (row[0], row[1])


async def add_tallies(tx: AsyncConnection, tallies: Mapping[Caller, Tally]) -> None:
    """Add counts to the stored ones, in sorted order so that processes can't block each other."""
    rows = sorted(tallies.items(), key=lambda one: (one[0].workspace, one[0].source))
    columns: dict[str, list[Any]] = {
        "workspaces": [caller.workspace for caller, _ in rows],
        "sources": [caller.source for caller, _ in rows],
        "received": [tally.received for _, tally in rows],
        "accepted": [tally.accepted for _, tally in rows],
        "spooled": [tally.spooled for _, tally in rows],
        "rejected": [tally.rejected for _, tally in rows],
    }
    await tx.execute(
        text(
            "INSERT INTO ingest.tally_source AS t "
            "(workspace, source, received, accepted, spooled, rejected) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:received AS bigint[]), CAST(:accepted AS bigint[]), "
            "CAST(:spooled AS bigint[]), CAST(:rejected AS bigint[])) "
            "ON CONFLICT (workspace, source) DO UPDATE SET "
            "received = t.received + excluded.received, "
            "accepted = t.accepted + excluded.accepted, "
            "spooled = t.spooled + excluded.spooled, rejected = t.rejected + excluded.rejected"
        ),
        columns,
    )


async def total(tx: AsyncConnection) -> Tally:
    """The counts of all sources together."""
    result = await tx.execute(
        text(
            "SELECT coalesce(sum(received), 0), coalesce(sum(accepted), 0), "
            "coalesce(sum(spooled), 0), coalesce(sum(rejected), 0) FROM ingest.tally_source"
        )
    )
    return Tally(*map(int, result.one()))


async def tallies_of(tx: AsyncConnection, workspace: str) -> dict[str, Tally]:
    """The counts of each source of a workspace."""
    result = await tx.execute(
        text(
            "SELECT source, received, accepted, spooled, rejected FROM ingest.tally_source "
            "WHERE workspace = :workspace ORDER BY source"
        ),
        {"workspace": workspace},
    )
    return {row[0]: Tally(*row[1:]) for row in result}
