"""What customers have written at cases, by mail."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.cases import State
from rapport_feedback.domain.replies import Reply
from rapport_feedback.store import case_changes, texts


class Message(NamedTuple):
    """A message as it is kept; `send_key` is of the mail that it answers."""

    message_id: str
    at: datetime
    send_key: str
    subject: str
    body: str

    @classmethod
    def of(cls, one: Reply) -> "Message":
        """An answer to a mail of ours."""
        return cls(one.message_id, one.at, one.send_key, one.subject, one.body)


async def is_known(tx: AsyncConnection, one: Reply) -> bool:
    """Whether an answer has been taken in before."""
    found = await tx.scalar(
        text(
            "SELECT 1 FROM feedback.case_message "
            "WHERE workspace = :workspace AND message_id = :message_id"
        ),
        {"workspace": one.workspace, "message_id": one.message_id},
    )
    return found is not None


async def open_thread(tx: AsyncConnection, one: Reply) -> tuple[UUID, State, int] | None:
    """The newest case that goes on by mail with who has answered: its id and state, and how many
    messages it has. It is locked. One that was merged goes on as the other.
    """
    rows = await tx.execute(
        text(
            "SELECT c.case_id, c.state, (SELECT count(*) FROM feedback.case_message m "
            "WHERE m.workspace = c.workspace AND m.case_id = c.case_id) AS messages "
            "FROM feedback.complaint c WHERE c.workspace = :workspace AND c.state <> 'closed' "
            "AND c.case_id IN (SELECT coalesce(o.heir_id, o.case_id) FROM feedback.complaint o "
            "WHERE o.workspace = :workspace AND o.email = :email "
            "AND (o.state <> 'closed' OR o.heir_id IS NOT NULL) "
            "AND EXISTS (SELECT FROM feedback.case_message m "
            "WHERE m.workspace = o.workspace AND m.case_id = o.case_id)) "
            "ORDER BY c.number DESC LIMIT 1 FOR UPDATE OF c"
        ),
        {"workspace": one.workspace, "email": one.contact.email},
    )
    row = rows.first()
    return None if row is None else (row.case_id, State(row.state), int(row.messages))


async def keep(
    tx: AsyncConnection, workspace: str, case_id: UUID, one: Message, *, opens: bool = False
) -> bool:
    """Keep a message at its case, where live views are told of it and its words are read, unless it
    has opened the case, whose words these are; False for one that is kept already.
    """
    kept = await tx.execute(
        text(
            "INSERT INTO feedback.case_message (workspace, message_id, case_id, send_key, subject, "
            "body, at) VALUES (:workspace, :message_id, :case_id, :send_key, :subject, :body, :at) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "message_id": one.message_id,
            "case_id": case_id,
            "send_key": one.send_key,
            "subject": one.subject,
            "body": one.body,
            "at": one.at,
        },
    )
    if not kept.rowcount:
        return False
    await case_changes.note(tx, workspace, case_id)
    if not opens:
        await texts.note(tx, workspace, "message", one.message_id)
    return True


async def of_case(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Message]:
    """All messages of a case, oldest first."""
    rows: Any = await tx.execute(
        text(
            "SELECT message_id, at, send_key, subject, body FROM feedback.case_message "
            "WHERE workspace = :workspace AND case_id = :case_id ORDER BY at, message_id"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [Message(*row) for row in rows]
