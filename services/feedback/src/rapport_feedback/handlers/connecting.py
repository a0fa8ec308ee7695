"""Posts of connectors become cases and messages, each once for ever."""

from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback import metrics
from rapport_feedback.domain.arrivals import Arrival, Writer
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.connectors import Told
from rapport_feedback.domain.naming import named
from rapport_feedback.domain.replies import MOST_MESSAGES
from rapport_feedback.handlers.arriving import Arriving, Words
from rapport_feedback.handlers.cases import CUSTOMER
from rapport_feedback.store import arrivals, case_messages
from rapport_feedback.store import connectors as store
from rapport_feedback.store.case_messages import Message
from rapport_feedback.store.catalogue import Listing

Result = Literal["opened", "continued", "again", "too_many"]
ANSWERED = "The customer has written again."
_GOES_ON = {State.WAITING_CUSTOMER: State.INVESTIGATING, State.CLOSED: State.REOPENED}
"""What a case is when its customer writes on."""


class Connecting:
    """Takes posts in."""

    def __init__(self, arriving: Arriving) -> None:
        self._arriving = arriving

    async def take(
        self, tx: AsyncConnection, workspace: str, connector: Listing, said: Told, now: datetime
    ) -> tuple[Complaint, Result]:
        """The case of a post, and what has become of it."""
        name, cases = connector.name, self._arriving.cases
        await store.lock(tx, workspace, name, said.id)
        known = await store.made(tx, workspace, name, "case", said.id)
        if known is None:
            return await self._open(tx, workspace, connector, said, now), "opened"
        [thread] = await arrivals.threads(tx, workspace, cases=[known])
        place = (workspace, thread.case_id)
        complaint = await cases.get(tx, *place)
        if await store.made(tx, workspace, name, "message", said.message_id) is not None:
            return complaint, "again"
        if thread.messages >= MOST_MESSAGES:
            return complaint, "too_many"
        if not thread.may_reopen(now - cases.levels.reopen):
            # Nobody looks at a case that stays closed.
            return await self._open(tx, workspace, connector, said, now), "opened"
        await _keep(tx, place, name, said, now, opens=False)
        to = _GOES_ON.get(thread.state)
        if to is not None:
            complaint = await cases.move(tx, *place, to, actor=CUSTOMER, note=ANSWERED, now=now)
            metrics.CASES.labels(to).inc()
        return complaint, "continued"

    async def _open(
        self, tx: AsyncConnection, workspace: str, connector: Listing, said: Told, now: datetime
    ) -> Complaint:
        document: dict[str, Any] = connector.document
        contact = named(said.user_id, said.email, None) if document.get("trusted") else None
        writer = Writer(said.email, said.phone, said.name, contact is not None, contact)
        found = {one: getattr(said, one) for one in ("order_id", "product", "category")}
        given = {one: word for one, word in found.items() if word}
        made = await self._arriving.open(
            tx,
            workspace,
            Arrival(str(document["channel"]), connector.name, writer, now),
            Words(
                said.subject, said.body, fields=Fields(**{**document.get("fields", {}), **given})
            ),
        )
        place = (workspace, made.case_id)
        await store.note(tx, place, (connector.name, "case", said.id), now)
        await _keep(tx, place, connector.name, said, now, opens=True)
        return made


async def _keep(
    tx: AsyncConnection,
    place: tuple[str, UUID],
    name: str,
    said: Told,
    now: datetime,
    *,
    opens: bool,
) -> None:
    await store.note(tx, place, (name, "message", said.message_id), now)
    mark = sha256(f"{name}\0{said.message_id}".encode()).hexdigest()
    message = Message(mark, now, "", said.subject, said.body)
    await case_messages.keep(tx, *place, message, opens=opens)
