"""The SQL of scores: RFM worked out over everybody in one statement, and its rules."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.follower.domain import Key
from rapport_segment.domain.rfm import (
    DIMENSIONS,
    FREQUENCY,
    MONETARY,
    PARTS,
    RECENCY,
    TABLE,
    TIER,
)
from rapport_segment.domain.rfm_rules import RfmRules
from rapport_segment.domain.sections import exact
from rapport_segment.store import published_scores
from rapport_segment.store.condition import JUDGED
from rapport_segment.store.definitions import EVERYBODY
from rapport_segment.store.places import Places

SORT_MEMORY = "64MB"


@dataclass(frozen=True, slots=True)
class KeptRules:
    """Rules as kept; `job` is the newest one that works by them."""

    rules: RfmRules
    updated_at: datetime
    updated_by: str
    job: str | None


async def write_rules(
    tx: AsyncConnection, workspace: str, rules: RfmRules, author: str, now: datetime
) -> None:
    """Keep what RFM is worked out of."""
    await tx.execute(
        text(
            "INSERT INTO segment.rfm (workspace, rules, updated_at, updated_by) "
            "VALUES (:workspace, CAST(CAST(:rules AS text) AS jsonb), :now, :author) "
            "ON CONFLICT (workspace) DO UPDATE SET rules = excluded.rules, "
            "updated_at = excluded.updated_at, updated_by = excluded.updated_by"
        ),
        {
            "workspace": workspace,
            "rules": msgspec.json.encode(rules).decode(),
            "now": now,
            "author": author,
        },
    )


async def rules_of(tx: AsyncConnection, workspace: str) -> KeptRules | None:
    """What RFM is worked out of in a workspace."""
    rows = await tx.execute(
        text(
            "SELECT CAST(rules AS text), updated_at, updated_by, job FROM segment.rfm "
            "WHERE workspace = :workspace"
        ),
        {"workspace": workspace},
    )
    row = rows.first()
    if row is None:
        return None
    return KeptRules(msgspec.json.decode(row[0], type=RfmRules), *row[1:])


async def set_job(tx: AsyncConnection, workspace: str, job: str) -> None:
    """This job works by the rules."""
    await tx.execute(
        text("UPDATE segment.rfm SET job = :job WHERE workspace = :workspace"),
        {"workspace": workspace, "job": job},
    )


async def of_people(tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The scores of these people, RFM's and what others have published."""
    rows = await tx.execute(
        text(
            "SELECT s.workspace, CAST(s.profile_id AS text), CAST(s.scores AS text) "
            f"FROM unnest({packed_texts('workspaces')}, CAST(:ids AS uuid[])) "
            "AS v(workspace, profile_id) JOIN segment.score s USING (workspace, profile_id)"
        ),
        {"workspaces": pack_texts([key[0] for key in keys]), "ids": [key[1] for key in keys]},
    )
    found = await published_scores.of_people(tx, keys)
    for row in rows.all():
        found.setdefault((row[0], row[1]), {}).update(exact(row[2]))
    return found


async def score(
    tx: AsyncConnection, workspace: str, rules: RfmRules, now: datetime
) -> tuple[int, int]:
    """Work all scores out, and write those that are others; (how many customers, how many changed).

    Customers are known, may be judged, and have a recency and at least one in frequency.
    """
    await tx.execute(text(f"SET LOCAL work_mem = '{SORT_MEMORY}'"))
    statement, given = _statement(rules)
    row = await tx.execute(text(statement), {"workspace": workspace, "now": now, **given})
    customers, changed, gone = row.one()
    return customers, changed + gone


async def tiers(tx: AsyncConnection, workspace: str) -> dict[str, int]:
    """How many people are in each tier."""
    rows = await tx.execute(
        text(
            f"SELECT scores ->> '{TIER}', count(*) FROM segment.score "
            "WHERE workspace = :workspace AND scores <> '{}' GROUP BY 1"
        ),
        {"workspace": workspace},
    )
    return {row[0]: row[1] for row in rows.all()}


async def untold(
    tx: AsyncConnection, workspace: str, limit: int
) -> list[tuple[str, Mapping[str, Any], datetime]]:
    """(profile id, scores by name, as of when): some that others are not told of yet, marked as
    told; no scores: no customer any more. Who is locked by a run is left to it.
    """
    rows = await tx.execute(
        text(
            "WITH page AS (SELECT workspace, profile_id FROM segment.score "
            "WHERE workspace = :workspace AND NOT told ORDER BY profile_id LIMIT :limit "
            "FOR UPDATE SKIP LOCKED), "
            "marked AS (UPDATE segment.score s SET told = true FROM page "
            "WHERE s.workspace = page.workspace AND s.profile_id = page.profile_id "
            "RETURNING s.profile_id, s.scores, s.as_of) "
            "SELECT CAST(profile_id AS text), CAST(scores AS text), as_of FROM marked ORDER BY 1"
        ),
        {"workspace": workspace, "limit": limit},
    )
    found = [(row[0], exact(row[1]), row[2]) for row in rows.all()]
    await tx.execute(
        text(
            "DELETE FROM segment.score WHERE workspace = :workspace "
            "AND profile_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"workspace": workspace, "ids": [one[0] for one in found if not one[1]]},
    )
    return found


def _statement(rules: RfmRules) -> tuple[str, dict[str, Any]]:
    places = Places()
    x = {one: places.read(rules.source(one)) for one in DIMENSIONS}
    # An instant stands there as a text of fixed width: in the order of texts.
    values = {
        RECENCY: f"CASE jsonb_typeof({x[RECENCY]}) WHEN 'string' "
        f"THEN {x[RECENCY]} #>> '{{}}' END COLLATE \"C\"",
        FREQUENCY: _number(x[FREQUENCY]),
        MONETARY: f"COALESCE({_number(x[MONETARY])}, 0)",
    }
    given: dict[str, Any] = dict(places.parameters)
    scored = ", ".join(f"{_score(one, rules, given)} AS {one}" for one in DIMENSIONS)
    together = "(frequency + monetary + 1) / 2"
    rows = ", ".join(f"ARRAY[{', '.join(map(repr, row))}]" for row in TABLE)
    built = ", ".join(f"'rfm_{one}', {one}" for one in DIMENSIONS)
    told = f"jsonb_build_object({built}, '{TIER}', (ARRAY[{rows}])[recency][{together}])"
    return (
        f"WITH told AS (SELECT p.profile_id, "
        f"{', '.join(f'{values[one]} AS {one}' for one in DIMENSIONS)} "
        f"FROM segment.person p WHERE {EVERYBODY} AND {JUDGED}), "
        f"scored AS (SELECT profile_id, {scored} FROM told "
        "WHERE recency IS NOT NULL AND frequency >= 1), "
        f"fresh AS MATERIALIZED (SELECT profile_id, {told} AS scores FROM scored), "
        "written AS (INSERT INTO segment.score AS s (workspace, profile_id, scores, as_of) "
        "SELECT :workspace, f.profile_id, f.scores, :now FROM fresh f "
        "LEFT JOIN segment.score b ON b.workspace = :workspace AND b.profile_id = f.profile_id "
        "WHERE b.scores IS DISTINCT FROM f.scores "
        "ON CONFLICT (workspace, profile_id) DO UPDATE "
        "SET scores = excluded.scores, as_of = excluded.as_of, told = false RETURNING 1), "
        "gone AS (UPDATE segment.score s SET scores = '{}', as_of = :now, told = false "
        "WHERE s.workspace = :workspace AND s.scores <> '{}' AND NOT EXISTS "
        "(SELECT FROM fresh f WHERE f.profile_id = s.profile_id) RETURNING 1) "
        "SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM written), "
        "(SELECT count(*) FROM gone)"
    ), given


def _score(dimension: str, rules: RfmRules, given: dict[str, Any]) -> str:
    bounds = rules.bounds.get(dimension)
    if bounds is None:
        below = f"(rank() OVER (ORDER BY {dimension}) - 1)"
        upto = f"count(*) OVER (ORDER BY {dimension})"
        share = f"{PARTS} * ({below} + {upto}) / (2 * count(*) OVER ())"
        return f"CAST({share} + 1 AS int)"
    given[f"bounds_{dimension}"] = [Decimal(one) for one in bounds]
    limits = f"CAST(:bounds_{dimension} AS numeric[])"
    if dimension != RECENCY:
        return f"width_bucket({dimension}, {limits}) + 1"
    since = f"CAST(:now AS timestamptz) - CAST({dimension} AS timestamptz)"
    passed = f"extract(epoch FROM {since}) / 86400"
    return f"{PARTS} - width_bucket(CAST({passed} AS numeric), {limits})"


def _number(x: str) -> str:
    return f"CASE jsonb_typeof({x}) WHEN 'number' THEN CAST({x} AS numeric) END"
