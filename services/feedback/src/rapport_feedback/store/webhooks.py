"""Who is told of answers and cases by HTTP, and the posts that tell it."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Identifier
from rapport_common.webhooks.records import Hearing, texts_of
from rapport_common.webhooks.store import WebhookStore
from rapport_feedback.tables import SCHEMA

WEBHOOKS = WebhookStore(
    SCHEMA,
    Hearing(
        wants={"events": texts_of("events")}, facts=("event",), hears="v.event = ANY(w.events)"
    ),
    keeps_delivered=True,
)


async def profiles_of(
    tx: AsyncConnection, workspace: str, named: Collection[Identifier]
) -> dict[Identifier, str]:
    """{identifier: profile}, of those that are anybody's."""
    rows = await tx.execute(
        text(
            "SELECT kind, value, min(profile_id) AS profile_id FROM feedback.identity "
            "WHERE workspace = :workspace AND (kind, value) IN (SELECT * FROM unnest("
            "CAST(:kinds AS text[]), CAST(:values AS text[]))) GROUP BY kind, value"
        ),
        {
            "workspace": workspace,
            "kinds": [kind for kind, _ in named],
            "values": [value for _, value in named],
        },
    )
    return {(row.kind, row.value): row.profile_id for row in rows}
