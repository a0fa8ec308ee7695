"""Why cases came to be, and what is given back: gifts each once, within limits, and told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ForbiddenError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import own_events
from rapport_feedback.domain.goodwill import Goodwill, GoodwillKind, beyond, limit_of
from rapport_feedback.handlers import catalogue
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import catalogue as documents
from rapport_feedback.store import redress as store
from rapport_feedback.store.redress import Action, Cause

MONTH = timedelta(days=30)
GOODWILL, CAUSE = "goodwill", "cause"
"""The kinds of entries that say so."""
NO_ACTION = "There is no such action. GET /v1/corrective-actions lists them."


class BeyondLimitError(ForbiddenError):
    """Somebody may not give so much; the message says how much is left."""

    code = "goodwill_limit"


@dataclass(frozen=True, slots=True)
class Gift:
    """What is to be given."""

    kind: GoodwillKind
    amount: Decimal
    currency: str
    cost: Decimal
    code: str
    reason: str
    note: str


class Redress:
    """Gives, and says why."""

    def __init__(self, cases: Cases, publisher: Publisher) -> None:
        self._cases = cases
        self._publisher = publisher

    async def give(
        self,
        tx: AsyncConnection,
        place: tuple[str, UUID],
        goodwill_id: UUID,
        gift: Gift,
        *,
        actor: str,
        now: datetime,
    ) -> Goodwill:
        """Give something at a case: an entry of it, and an event of the customer.

        BeyondLimitError; NotFoundError for the case or the reason.
        """
        workspace, case_id = place
        await catalogue.current(tx, workspace, "reason", gift.reason)
        entry = NewEntry(
            GOODWILL,
            gift.note,
            {"kind": gift.kind, "cost": str(gift.cost), "currency": gift.currency},
        )
        complaint = await self._cases.note(
            tx, workspace, case_id, entry, actor=actor, now=now, always=True
        )
        limits = await documents.listed(tx, workspace, "goodwill_limit")
        limit = limit_of({one.name: one.document for one in limits}, actor, gift.currency)
        of_month = await store.cost_of_actor(tx, workspace, actor, gift.currency, now - MONTH)
        of_case = await store.cost_of_case(tx, workspace, case_id, gift.currency)
        if reason := beyond(limit, gift.cost, of_case, of_month):
            raise BeyondLimitError(reason, details={"limit": limit.name if limit else ""})
        made = Goodwill(
            goodwill_id=goodwill_id,
            case_id=case_id,
            kind=gift.kind,
            amount=gift.amount,
            currency=gift.currency,
            cost=gift.cost,
            code=gift.code,
            reason=gift.reason,
            actor=actor,
            at=now,
        )
        await store.add_goodwill(tx, workspace, made)
        await self._publisher.tell(tx, own_events.goodwill_given(complaint, made))
        return made

    async def explain(
        self,
        tx: AsyncConnection,
        place: tuple[str, UUID],
        reason: str,
        cause: str,
        *,
        actor: str,
        now: datetime,
    ) -> Cause:
        """Say why a case came to be; NotFoundError for what is in no catalogue."""
        workspace, case_id = place
        if reason:
            await catalogue.current(tx, workspace, "reason", reason)
        if cause:
            await catalogue.current(tx, workspace, "cause", cause)
        entry = NewEntry(CAUSE, "", {"reason": reason, "cause": cause})
        await self._cases.note(tx, workspace, case_id, entry, actor=actor, now=now, always=True)
        made = Cause(reason, cause, actor, now)
        await store.set_cause(tx, workspace, case_id, made)
        return made


async def action_of(tx: AsyncConnection, workspace: str, action_id: UUID) -> Action:
    """An action; NotFoundError."""
    found = await store.action(tx, workspace, action_id)
    if found is None:
        raise NotFoundError(NO_ACTION, details={"id": str(action_id)})
    return found
