"""What events say of products, by the identifier that named their person best."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.product_events import ProductEvent
from rapport_campaign.domain.recommending import Fact
from rapport_common.db import pack_texts, packed_texts

_BETWEEN = "\x1f"
"""No visible character, so in no sku."""

_SAVE = text(
    "INSERT INTO campaign.product_event AS e (workspace, source, message_id, kind, anchor, "
    "subject, at, received_at, copy, trusted, order_key, skus, counts) SELECT workspace, source, "
    "message_id, kind, anchor, subject, at, received_at, copy, trusted, order_key, "
    "string_to_array(skus, E'\\x1f'), CAST(string_to_array(counts, ',') AS int[]) FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('sources')}, CAST(:ids AS text[]), "
    f"{packed_texts('kinds')}, CAST(:anchors AS bytea[]), CAST(:subjects AS bytea[]), "
    "CAST(:times AS timestamptz[]), CAST(:received AS timestamptz[]), CAST(:copies AS int[]), "
    "CAST(:trusted AS bool[]), CAST(:orders AS text[]), CAST(:skus AS text[]), "
    "CAST(:counts AS text[])) AS v(workspace, source, message_id, kind, anchor, subject, at, "
    "received_at, copy, trusted, order_key, skus, counts) "
    "ON CONFLICT (workspace, source, message_id) DO UPDATE SET kind = excluded.kind, "
    "anchor = excluded.anchor, subject = excluded.subject, at = excluded.at, "
    "received_at = excluded.received_at, copy = excluded.copy, trusted = excluded.trusted, "
    "order_key = excluded.order_key, skus = excluded.skus, counts = excluded.counts "
    "WHERE e.copy < excluded.copy RETURNING e.workspace, e.kind"
)
# Of each anchor so many of each kind, the newest: whoever looks at a million products costs as
# much as who has looked at a hundred.
_FACTS = text(
    "SELECT v.n, e.kind, e.at, e.order_key, e.skus, e.counts "
    "FROM unnest(CAST(:anchors AS bytea[])) WITH ORDINALITY AS v(anchor, n), "
    "(VALUES ('viewed', 100), ('ordered', 50), ('returned', 50)) AS k(kind, most), "
    "LATERAL (SELECT * FROM campaign.product_event e WHERE e.workspace = :workspace "
    "AND e.anchor = v.anchor AND e.kind = k.kind AND e.at >= :since "
    "ORDER BY e.at DESC, e.source DESC, e.message_id DESC LIMIT k.most) AS e "
    "ORDER BY v.n, e.at DESC, e.source DESC, e.message_id DESC"
)
_BEGIN = text(
    "INSERT INTO campaign.recommendation_standing (workspace, next_at, soonest_at) "
    "SELECT one, CAST(:now AS timestamptz), CAST(:now AS timestamptz) "
    "FROM unnest(CAST(:workspaces AS text[])) AS one ORDER BY 1 ON CONFLICT DO NOTHING"
)
# Whoever finds it poked already locks nothing: so consumers do not wait for each other.
_POKE = text(
    "UPDATE campaign.recommendation_standing SET next_at = soonest_at "
    "WHERE next_at > soonest_at AND workspace = ANY(CAST(:workspaces AS text[]))"
)


class Saved(NamedTuple):
    """Of which workspace, and what kind it is."""

    workspace: str
    kind: str


async def save(tx: AsyncConnection, events: Sequence[ProductEvent]) -> list[Saved]:
    """Keep events, each message once; those that are new, or a later form of what was kept."""
    newest: dict[tuple[str, str, str], ProductEvent] = {}
    for one in events:
        known = newest.get(one.message)
        if known is None or known.copy < one.copy:
            newest[one.message] = one
    if not newest:
        return []
    some = [newest[key] for key in sorted(newest)]
    rows = await tx.execute(
        _SAVE,
        {
            "workspaces": pack_texts([one.workspace for one in some]),
            "sources": pack_texts([one.source for one in some]),
            "ids": [one.message_id for one in some],
            "kinds": pack_texts([one.kind for one in some]),
            "anchors": [one.anchor for one in some],
            "subjects": [one.subject for one in some],
            "times": [one.at for one in some],
            "received": [one.received_at for one in some],
            "copies": [one.copy for one in some],
            "trusted": [one.trusted for one in some],
            "orders": [one.order_key for one in some],
            "skus": [_BETWEEN.join(one.lines) for one in some],
            "counts": [",".join(map(str, one.lines.values())) for one in some],
        },
    )
    return [Saved(*row) for row in rows]


async def poke(tx: AsyncConnection, workspaces: Sequence[str], now: datetime) -> None:
    """Let what is sold most be worked out again, as soon as that may be."""
    if workspaces:
        named = sorted(set(workspaces))
        await tx.execute(_BEGIN, {"workspaces": named, "now": now})
        await tx.execute(_POKE, {"workspaces": named})


async def facts(
    tx: AsyncConnection, workspace: str, anchors: Collection[bytes], since: datetime
) -> dict[bytes, list[Fact]]:
    """What is known under these identifiers, the newest first."""
    asked = sorted(anchors)
    found: dict[bytes, list[Fact]] = {}
    if asked:
        given = {"workspace": workspace, "anchors": asked, "since": since}
        for number, kind, at, order_key, skus, counts in await tx.execute(_FACTS, given):
            lines = dict(zip(skus, counts, strict=True))
            found.setdefault(asked[number - 1], []).append(Fact(kind, at, order_key, lines))
    return found
