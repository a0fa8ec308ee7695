"""What single messages say."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Content, MessageKey
from rapport_campaign.store.moves import places


async def add(tx: AsyncConnection, contents: Mapping[tuple[str, str], Content]) -> None:
    """Keep what transactional messages say, by (workspace, send key)."""
    if not contents:
        return
    said = list(contents.values())
    await tx.execute(
        text(
            "INSERT INTO campaign.content (workspace, send_key, subject, html, text, data, "
            "reply_to, thread) "
            "SELECT workspace, send_key, subject, html, body, data::json, reply_to, thread "
            "FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:subjects AS text[]), "
            "CAST(:htmls AS text[]), CAST(:texts AS text[]), CAST(:datas AS text[]), "
            "CAST(:answers AS text[]), CAST(:threads AS text[])) "
            "AS v(workspace, send_key, subject, html, body, data, reply_to, thread) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspaces": [one[0] for one in contents],
            "keys": [one[1] for one in contents],
            "subjects": [one.subject for one in said],
            "htmls": [one.html for one in said],
            "texts": [one.text for one in said],
            "datas": [one.data.decode() for one in said],
            "answers": [one.reply_to for one in said],
            "threads": [one.references for one in said],
        },
    )


async def find(tx: AsyncConnection, keys: Sequence[MessageKey]) -> dict[MessageKey, Content]:
    """What transactional messages say."""
    if not keys:
        return {}
    rows = await tx.execute(
        text(
            "SELECT workspace, send_key, subject, html, text, data::text AS data, "
            "reply_to, thread "
            "FROM campaign.content WHERE (workspace, send_key) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:keys AS text[])))"
        ),
        places(keys),
    )
    return {
        (row.workspace, row.send_key): Content(
            row.subject, row.html, row.text, row.data.encode(), row.reply_to, row.thread
        )
        for row in rows
    }
