"""What the API reads."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.bounds import MAX_SHOWN
from rapport_profile.domain.consents import Consent
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import merge
from rapport_profile.domain.naming import Id
from rapport_profile.domain.published import Summary
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.store import computed_traits

_fold = msgspec.json.Decoder(Fold)
_summary = msgspec.json.Decoder(Summary)
_consent = msgspec.json.Decoder(Consent)


class Person(NamedTuple):
    """Whose rows are wanted."""

    workspace: str
    profile_id: UUID


_ALIVE = text(
    # A profile that was merged leads on to the one it became; merges of merges are followed.
    "WITH RECURSIVE chain AS ("
    "SELECT id, version, merged_into, members, summary, 0 AS hop FROM profile.profile "
    "WHERE workspace = :workspace AND id = :id "
    "UNION ALL SELECT p.id, p.version, p.merged_into, p.members, p.summary, chain.hop + 1 "
    "FROM profile.profile p JOIN chain ON p.id = chain.merged_into "
    "WHERE p.workspace = :workspace AND chain.hop < 100"
    ") SELECT id, version, CAST(summary AS text) AS summary FROM chain "
    # One that nothing speaks of any more has no identifiers and no heir.
    "WHERE merged_into IS NULL AND (summary IS NULL OR members > 0) LIMIT 1"
)
_BY_IDENTIFIER = text(
    "SELECT profile_id FROM profile.identifier "
    "WHERE workspace = :workspace AND id = :id AND profile_id IS NOT NULL"
)
_MEMBERS = text(
    # The fold of the only one with events is in the summary.
    "SELECT i.kind, i.value, CAST(CASE WHEN p.summary ->> 'sole' = CAST(i.id AS text) "
    "THEN p.summary -> 'fold' ELSE i.fold END AS text) AS fold "
    "FROM profile.identifier i JOIN profile.profile p "
    "ON p.workspace = i.workspace AND p.id = i.profile_id "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id ORDER BY i.kind, i.value"
)
_IDENTIFIERS = text(
    "SELECT kind, value FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = :profile_id "
    "AND (NOT CAST(:paged AS boolean) OR (kind, value) > (:kind, :value)) "
    "ORDER BY kind, value LIMIT :limit"
)
_TRAITS = text(
    "WITH said AS ("
    "SELECT t.key AS name, t.value -> 0 AS value, CAST(t.value -> 1 ->> 0 AS timestamptz) AS at, "
    "CASE WHEN t.value ->> 2 IS NULL THEN 1 ELSE 0 END AS level "
    "FROM profile.identifier i, json_each(i.fold -> 'traits') t "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id "
    # Where one identifier has all the events, what is known of it is in the summary.
    # There all is weighed together, too: by a rule it counts, what single ones have does not.
    "UNION ALL SELECT t.key, t.value -> 0, CAST(t.value -> 1 ->> 0 AS timestamptz), "
    "CASE WHEN t.value ->> 2 IS NULL THEN 1 ELSE 2 END "
    "FROM profile.profile p, json_each(p.summary #> '{fold,traits}') t "
    "WHERE p.workspace = :workspace AND p.id = :profile_id "
    # What this service has worked out, as domain/rectifications.py says, nobody puts right.
    "UNION ALL SELECT t.key, t.value, CAST(r.value -> 2 ->> 0 AS timestamptz), 3 "
    "FROM profile.profile p, json_each(p.summary #> '{fold,rectified}') r, "
    "json_each(r.value -> 0) t WHERE p.workspace = :workspace AND p.id = :profile_id "
    "AND p.summary #>> ARRAY['fold', 'traits', t.key, '1', '2'] IS DISTINCT FROM 'profile' "
    "UNION ALL SELECT o.name, o.value, o.at, 1 FROM profile.overflow o "
    "JOIN profile.identifier i ON i.workspace = o.workspace AND i.id = o.identifier_id "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id AND o.kind = 'trait'), "
    "latest AS (SELECT DISTINCT ON (name) name, CAST(value AS text) AS value, at FROM said "
    "WHERE NOT CAST(:paged AS boolean) OR name > :name ORDER BY name, level DESC, at DESC) "
    "SELECT name, value, at FROM latest WHERE value <> 'null' ORDER BY name LIMIT :limit"
)
_CONSENTS = text(
    "WITH said AS ("
    "SELECT c.key AS name, c.value AS value FROM profile.identifier i, "
    "json_each(i.fold -> 'consents') c "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id "
    "UNION ALL SELECT c.key, c.value FROM profile.profile p, "
    "json_each(p.summary #> '{fold,consents}') c "
    "WHERE p.workspace = :workspace AND p.id = :profile_id "
    "UNION ALL SELECT o.name, o.value FROM profile.overflow o "
    "JOIN profile.identifier i ON i.workspace = o.workspace AND i.id = o.identifier_id "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id AND o.kind = 'consent'), "
    "page AS (SELECT DISTINCT name FROM said WHERE (NOT CAST(:paged AS boolean) OR name > :name) "
    "AND (CAST(:names AS text[]) IS NULL OR name = ANY(CAST(:names AS text[]))) "
    "ORDER BY name LIMIT :limit) "
    "SELECT name, CAST(value AS text) AS value FROM said JOIN page USING (name) ORDER BY name"
)
_LINKS = text(
    "SELECT x.kind AS a_kind, x.value AS a_value, y.kind AS b_kind, y.value AS b_value, "
    "l.kind, l.timestamp, l.message_id, l.source, l.void, x.shared OR y.shared AS shared, "
    "l.a, l.b FROM profile.link l "
    "JOIN profile.identifier x ON x.workspace = l.workspace AND x.id = l.a "
    "JOIN profile.identifier y ON y.workspace = l.workspace AND y.id = l.b "
    "WHERE l.workspace = :workspace "
    "AND (x.profile_id = :profile_id OR y.profile_id = :profile_id) "
    "AND (NOT CAST(:paged AS boolean) OR (l.timestamp, l.a, l.b, l.kind) "
    "> (CAST(:at AS timestamptz), CAST(:a AS uuid), CAST(:b AS uuid), :kind)) "
    "ORDER BY l.timestamp, l.a, l.b, l.kind LIMIT :limit"
)
# Of a profile that no event has touched since summaries are kept, the folds of its identifiers.
_FOLDS = (
    "WITH alive AS (SELECT p.workspace, p.id, p.summary -> 'fold' AS fold FROM profile.profile p "
    "WHERE p.workspace = :workspace AND p.members > 0), "
    "folds AS (SELECT fold FROM alive WHERE fold IS NOT NULL UNION ALL SELECT i.fold FROM alive "
    "JOIN profile.identifier i ON i.workspace = alive.workspace AND i.profile_id = alive.id "
    "WHERE alive.fold IS NULL) "
)
_COUNTS = text(
    _FOLDS + "SELECT (SELECT count(*) FROM alive) AS profiles, "
    "coalesce(sum(CAST(fold ->> 'events' AS bigint)), 0) AS events, "
    "coalesce(sum(CAST(fold ->> 'orders' AS bigint)), 0) AS orders FROM folds"
)
_REVENUE = text(
    _FOLDS + "SELECT r.key AS currency, sum(CAST(r.value AS numeric)) AS amount "
    "FROM folds, json_each_text(fold -> 'revenue') r GROUP BY r.key ORDER BY r.key"
)


class Found(NamedTuple):
    """A profile that somebody has; `summary` is None before one was kept."""

    id: UUID
    version: int
    summary: Summary | None


async def alive(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Found | None:
    """A profile, or the one it was merged into."""
    row = (await tx.execute(_ALIVE, {"workspace": workspace, "id": profile_id})).first()
    if row is None:
        return None
    summary = _summary.decode(row.summary) if row.summary else None
    await computed_traits.settle(tx, workspace, [] if summary is None else [summary])
    return Found(row.id, row.version, summary)


async def by_identifier(tx: AsyncConnection, workspace: str, identifier: Id) -> UUID | None:
    """The profile an identifier belongs to."""
    result = await tx.execute(_BY_IDENTIFIER, {"workspace": workspace, "id": identifier})
    return result.scalar()


async def members(
    tx: AsyncConnection, workspace: str, profile_id: UUID
) -> list[tuple[str, str, Fold]]:
    """(kind, value, fold) of a profile's identifiers."""
    rows = await tx.execute(_MEMBERS, {"workspace": workspace, "profile_id": profile_id})
    return [(row.kind, row.value, _fold.decode(row.fold)) for row in rows]


async def made_of_members(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Summary:
    """What is known of a profile that no event has touched since summaries are kept."""
    found = await members(tx, workspace, profile_id)
    fold = merge(one[2] for one in found)
    named = [(kind, value, fold.last_seen_at or EARLIEST) for kind, value, _ in found]
    return Summary(members=len(found), named=named[:MAX_SHOWN], fold=fold)


async def identifiers(
    tx: AsyncConnection, who: Person, limit: int, after: tuple[str, str] | None
) -> list[Row[Any]]:
    """Rows of (kind, value), in that order."""
    kind, value = after or ("", "")
    asked = {"paged": after is not None, "kind": kind, "value": value, "limit": limit}
    return list((await tx.execute(_IDENTIFIERS, {**who._asdict(), **asked})).fetchall())


async def traits(tx: AsyncConnection, who: Person, limit: int, after: str | None) -> list[Row[Any]]:
    """Rows of (name, value as JSON, at), by name: the latest of each."""
    asked = {"paged": after is not None, "name": after or "", "limit": limit}
    return list((await tx.execute(_TRAITS, {**who._asdict(), **asked})).fetchall())


async def consents(
    tx: AsyncConnection,
    who: Person,
    limit: int,
    after: str | None,
    *,
    names: list[str] | None = None,
) -> dict[str, Consent]:
    """What was said, by subject, in the order of these; all of it, not the published only.

    `names`: about these subjects only.
    """
    asked = {"paged": after is not None, "name": after or "", "limit": limit, "names": names}
    found: dict[str, Consent] = {}
    for row in await tx.execute(_CONSENTS, {**who._asdict(), **asked}):
        said = _consent.decode(row.value)
        found[row.name] = found[row.name].join(said) if row.name in found else said
    return found


async def links(
    tx: AsyncConnection, who: Person, limit: int, after: tuple[datetime, UUID, UUID, str] | None
) -> list[dict[str, Any]]:
    """The link facts that touch a profile, the ones that do not count included, oldest first."""
    at, a, b, kind = after or (None, None, None, "")
    asked = {"paged": after is not None, "at": at, "a": a, "b": b, "kind": kind, "limit": limit}
    rows = await tx.execute(_LINKS, {**who._asdict(), **asked})
    return [dict(row) for row in rows.mappings()]


async def stats(tx: AsyncConnection, workspace: str) -> dict[str, Any]:
    """Totals over a workspace; money as decimal strings."""
    counts = (await tx.execute(_COUNTS, {"workspace": workspace})).one()
    revenue = await tx.execute(_REVENUE, {"workspace": workspace})
    return {
        "profiles": counts.profiles,
        "events": int(counts.events),
        "orders": int(counts.orders),
        "revenue": {row.currency: format(row.amount, "f") for row in revenue},
    }
