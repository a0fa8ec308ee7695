"""How much of everything there is, for the ledger."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def counts(tx: AsyncConnection) -> dict[str, int]:
    """Rows by kind, over all workspaces; cases whose last step is not `closed` are open."""
    rows = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM feedback.person WHERE known) AS persons, "
            "(SELECT count(*) FROM feedback.person WHERE lacks IS NOT NULL) AS lacking, "
            "(SELECT count(*) FROM feedback.invitation) AS invitations, "
            "(SELECT count(*) FROM feedback.response) AS responses, "
            "(SELECT coalesce(sum(revision), 0) FROM feedback.response WHERE NOT anonymous) "
            "AS answers, "
            "(SELECT count(*) FROM feedback.complaint) AS cases, "
            "(SELECT count(*) FROM feedback.complaint WHERE closed_at IS NULL) AS open_cases, "
            "(SELECT count(*) FROM feedback.case_event) AS case_steps, "
            "(SELECT count(*) FROM feedback.case_breach) AS case_breaches, "
            "(SELECT count(*) FROM feedback.case_notice) AS case_notices, "
            "(SELECT count(*) FROM feedback.case_entry WHERE kind = 'verified') "
            "AS case_verifications, "
            "(SELECT count(*) FROM feedback.goodwill) AS goodwill, "
            "(SELECT coalesce(sum(records - first), 0) FROM feedback.outbox_batch) AS outbox"
        )
    )
    return dict(rows.mappings().one())
