"""What is bought most, and together: worked out anew from the orders that are kept.

So nothing is counted twice, whatever came twice or late, and what is given back counts no more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.recommending import LEAST_BUYERS, WINDOWS

LONGEST_DAYS = max(WINDOWS)
MOST_RANKED, MOST_IN_CATEGORY, MOST_PARTNERS = 200, 50, 20
MOST_ORDERS = 100
"""Of one person, the newest: who orders without end counts as one buyer, and costs no more."""
MOST_TOGETHER = 20
"""Products of an order that make pairs, the first: 500 of them would make 250,000."""

_SINCE = f"CAST(:now AS timestamptz) - interval '{LONGEST_DAYS} days'"
# The newest that a source says of an order of somebody counts; of it what was not given back.
# A return is of an order if it names it, and its source or its person is the same: two tills may
# both have an order 1001.
_RANK = text(f"""
WITH told AS (
  SELECT DISTINCT ON (source, anchor, order_key) source, anchor, order_key, at, skus, counts
  FROM campaign.product_event
  WHERE workspace = :workspace AND trusted AND kind <> 'viewed' AND kind = 'ordered'
    AND at >= {_SINCE}
  ORDER BY source, anchor, order_key, at DESC, message_id DESC
), said AS MATERIALIZED (
  SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY anchor ORDER BY at DESC) AS nth FROM told
  ) AS each WHERE nth <= {MOST_ORDERS}
), back AS MATERIALIZED (
  SELECT e.source, e.anchor, e.order_key, e.at, coalesce(l.sku, '') AS sku,
    CASE WHEN l.count > 0 THEN l.count ELSE 1000000000 END AS count
  FROM campaign.product_event e
    LEFT JOIN LATERAL unnest(e.skus, e.counts) AS l(sku, count) ON true
  WHERE e.workspace = :workspace AND e.trusted AND e.kind <> 'viewed' AND e.kind = 'returned'
    AND e.at >= {_SINCE}
), by_source AS MATERIALIZED (
  SELECT source, order_key, sku, sum(count) AS count, max(at) AS at FROM back GROUP BY 1, 2, 3
), by_person AS MATERIALIZED (
  SELECT anchor, order_key, sku, sum(count) AS count, max(at) AS at FROM back GROUP BY 1, 2, 3
), sale AS MATERIALIZED (
  SELECT s.source, s.anchor, s.order_key, s.at, l.sku, l.n
  FROM said s
    CROSS JOIN LATERAL unnest(s.skus, s.counts) WITH ORDINALITY AS l(sku, count, n)
    LEFT JOIN by_source ls
      ON ls.source = s.source AND ls.order_key = s.order_key AND ls.sku = l.sku
    LEFT JOIN by_source ws
      ON ws.source = s.source AND ws.order_key = s.order_key AND ws.sku = '' AND ws.at >= s.at
    LEFT JOIN by_person lp
      ON lp.anchor = s.anchor AND lp.order_key = s.order_key AND lp.sku = l.sku
    LEFT JOIN by_person wp
      ON wp.anchor = s.anchor AND wp.order_key = s.order_key AND wp.sku = '' AND wp.at >= s.at
  WHERE ws.sku IS NULL AND wp.sku IS NULL
    AND greatest(coalesce(ls.count, 0), coalesce(lp.count, 0)) < l.count
), bought AS MATERIALIZED (
  SELECT sku, anchor, max(at) AS at FROM sale GROUP BY 1, 2
), counted AS (
  SELECT w.days, b.sku, count(*) AS buyers
  FROM bought b, unnest(CAST(:windows AS smallint[])) AS w(days)
  WHERE b.at >= CAST(:now AS timestamptz) - w.days * interval '1 day' GROUP BY 1, 2
), placed AS (
  SELECT c.days, c.sku, c.buyers, p.category,
    row_number() OVER (PARTITION BY c.days ORDER BY c.buyers DESC, c.sku) AS place,
    row_number() OVER (PARTITION BY c.days, p.category ORDER BY c.buyers DESC, c.sku) AS within
  FROM counted c JOIN campaign.product p ON p.workspace = :workspace AND p.sku = c.sku
  WHERE p.archived_at IS NULL AND NOT p.blocked AND p.name IS NOT NULL AND p.url IS NOT NULL
), ranked AS MATERIALIZED (
  SELECT * FROM placed WHERE place <= {MOST_RANKED}
    OR (category IS NOT NULL AND within <= {MOST_IN_CATEGORY})
), unranked AS (
  DELETE FROM campaign.product_rank r WHERE workspace = :workspace
    AND NOT EXISTS (SELECT FROM ranked n WHERE n.days = r.days AND n.sku = r.sku)
), ranking AS (
  INSERT INTO campaign.product_rank AS r
    (workspace, days, sku, buyers, category, place, place_in_category)
  SELECT :workspace, days, sku, buyers, category, place, within FROM ranked
  ON CONFLICT (workspace, days, sku) DO UPDATE SET buyers = excluded.buyers,
    category = excluded.category, place = excluded.place,
    place_in_category = excluded.place_in_category
  WHERE (r.buyers, r.category, r.place, r.place_in_category)
    IS DISTINCT FROM (excluded.buyers, excluded.category, excluded.place,
      excluded.place_in_category)
), basket AS MATERIALIZED (
  SELECT source, anchor, order_key, sku FROM sale WHERE n <= {MOST_TOGETHER}
), half AS MATERIALIZED (
  SELECT sku, other, count(*) AS buyers FROM (
    SELECT DISTINCT a.sku, b.sku AS other, a.anchor
    FROM basket a JOIN basket b USING (source, anchor, order_key) WHERE a.sku < b.sku
  ) AS each GROUP BY 1, 2 HAVING count(*) >= {LEAST_BUYERS}
), together AS (
  SELECT sku, other, buyers FROM half UNION ALL SELECT other, sku, buyers FROM half
), total AS (
  SELECT sku, count(*) AS buyers FROM bought GROUP BY 1
), lifted AS (
  SELECT t.sku, t.other, t.buyers, CAST(t.buyers AS float) * e.buyers / (a.buyers * b.buyers)
    AS lift
  FROM together t JOIN total a ON a.sku = t.sku JOIN total b ON b.sku = t.other,
    (SELECT count(*) AS buyers FROM (SELECT DISTINCT anchor FROM bought) AS each) AS e
), paired AS MATERIALIZED (
  SELECT * FROM (
    SELECT sku, other, buyers, CAST(round(CAST(lift AS numeric), 2) AS float) AS lift,
      row_number() OVER (PARTITION BY sku ORDER BY buyers * (1 - 1 / lift) DESC, other) AS place
    FROM lifted WHERE lift > 1
  ) AS each WHERE place <= {MOST_PARTNERS}
), unpaired AS (
  DELETE FROM campaign.product_pair r WHERE workspace = :workspace
    AND NOT EXISTS (SELECT FROM paired n WHERE n.sku = r.sku AND n.other = r.other)
), pairing AS (
  INSERT INTO campaign.product_pair AS r (workspace, sku, other, buyers, lift, place)
  SELECT :workspace, sku, other, buyers, lift, place FROM paired
  ON CONFLICT (workspace, sku, other) DO UPDATE SET buyers = excluded.buyers,
    lift = excluded.lift, place = excluded.place
  WHERE (r.buyers, r.lift, r.place) IS DISTINCT FROM (excluded.buyers, excluded.lift,
    excluded.place)
)
SELECT (SELECT count(*) FROM ranked), (SELECT count(*) FROM paired)
""")
_DUE = text(
    "UPDATE campaign.recommendation_standing SET next_at = :again, soonest_at = :soonest "
    "WHERE workspace = (SELECT workspace FROM campaign.recommendation_standing "
    "WHERE next_at <= :now ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING workspace"
)


class Worked(NamedTuple):
    """How many products and pairs there are now."""

    ranked: int
    paired: int


async def due(
    tx: AsyncConnection, now: datetime, *, again: timedelta, soonest: timedelta
) -> str | None:
    """The workspace whose turn it is. It has the next one `again` later, or as soon as `soonest`
    if something happens until then: also if whoever took it dies.
    """
    given = {"now": now, "again": now + again, "soonest": now + soonest}
    found: str | None = (await tx.execute(_DUE, given)).scalar()
    return found


async def rest(tx: AsyncConnection, workspace: str, until: datetime, now: datetime) -> None:
    """Work nothing out for a workspace before an instant; it was just done."""
    await tx.execute(
        text(
            "UPDATE campaign.recommendation_standing SET soonest_at = :until, ranked_at = :now, "
            "next_at = CASE WHEN next_at = soonest_at THEN CAST(:until AS timestamptz) "
            "ELSE greatest(next_at, CAST(:until AS timestamptz)) END WHERE workspace = :workspace"
        ),
        {"workspace": workspace, "until": until, "now": now},
    )


async def rank(tx: AsyncConnection, workspace: str, now: datetime) -> Worked | None:
    """Work all of it out; None while somebody else does."""
    locked = await tx.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('rank ' || :workspace, 0))"),
        {"workspace": workspace},
    )
    if not locked.scalar_one():
        return None
    found = await tx.execute(_RANK, {"workspace": workspace, "now": now, "windows": list(WINDOWS)})
    return Worked(*found.one())


async def ranked_at(tx: AsyncConnection, workspaces: Sequence[str]) -> dict[str, datetime | None]:
    """When it was last worked out for these workspaces."""
    rows = await tx.execute(
        text(
            "SELECT workspace, ranked_at FROM campaign.recommendation_standing "
            "WHERE workspace = ANY(CAST(:workspaces AS text[]))"
        ),
        {"workspaces": list(workspaces)},
    )
    return {row.workspace: row.ranked_at for row in rows}
