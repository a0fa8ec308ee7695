"""Answers to mails open cases, or go on with the one that their writer has."""

from collections.abc import Iterable
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_feedback import metrics
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.replies import MOST_MESSAGES, Reply
from rapport_feedback.handlers.cases import CUSTOMER, Cases
from rapport_feedback.store import case_messages as store
from rapport_feedback.store.case_messages import Message

_NAMES = UUID("5b8b7c1e-6a5e-4f0e-9f0e-3d2a4c1b7e90")
ANSWERED = "The customer has answered by mail."


class Replies:
    """Takes answers in; each once, however often it is told."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases

    async def take(self, tx: AsyncConnection, replies: Iterable[Reply]) -> None:
        """Put each at the case that goes on with its writer, or at a new one."""
        for one in replies:
            if await store.is_known(tx, one):
                continue
            metrics.REPLIES.labels(await self._take(tx, one)).inc()

    async def _take(self, tx: AsyncConnection, one: Reply) -> str:
        known = await store.open_thread(tx, one)
        if known is None:
            case_id = uuid5(_NAMES, f"{one.workspace}/{one.message_id}")
            await self._cases.open(
                tx,
                one.workspace,
                case_id,
                one.contact,
                subject=one.subject,
                body=one.body,
                actor=CUSTOMER,
                now=clock.now(),
                fields=Fields(channel="mail"),
            )
            metrics.CASES.labels(State.RECEIVED).inc()
            await store.keep(tx, one.workspace, case_id, Message.of(one), opens=True)
            return "opened"
        case_id, state, messages = known
        if messages >= MOST_MESSAGES:
            return "too_many"
        await store.keep(tx, one.workspace, case_id, Message.of(one))
        if state is State.WAITING_CUSTOMER:
            # This is what was waited for.
            await self._cases.move(
                tx,
                one.workspace,
                case_id,
                State.INVESTIGATING,
                actor=CUSTOMER,
                note=ANSWERED,
                now=clock.now(),
            )
        return "continued"
