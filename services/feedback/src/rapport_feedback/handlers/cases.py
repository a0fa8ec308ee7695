"""Complaint cases: opened by staff or by the customer, and moved on step by step."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import AppError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain import own_events
from rapport_feedback.domain.cases import Breach, Complaint, ServiceLevels, State, Step
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.surveys import Invitation
from rapport_feedback.handlers.deadlines import watch
from rapport_feedback.store import breaches
from rapport_feedback.store import cases as store

CUSTOMER = "customer"
AGAIN = "The customer has sent the same complaint again."


class TooManyError(AppError):
    """A public form was used more often than a person would."""

    status = 429
    code = "too_many"


class Cases:
    """The use cases of complaints; each works in the transaction it is given."""

    def __init__(self, publisher: Publisher, levels: ServiceLevels, *, per_link: int) -> None:
        self._publisher = publisher
        self.levels = levels
        self._per_link = per_link

    async def open(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        contact: Contact,
        *,
        subject: str,
        body: str,
        actor: str,
        now: datetime,
    ) -> Complaint:
        """A new case that staff took down for a customer."""
        complaint = Complaint(
            workspace=workspace,
            case_id=case_id,
            number=await store.next_number(tx, workspace),
            contact=contact,
            subject=subject,
            body=body,
            case=rules.begin(self.levels, now),
        )
        return await self._open(tx, complaint, actor, now)

    async def complain(
        self, tx: AsyncConnection, invitation: Invitation, subject: str, body: str, now: datetime
    ) -> tuple[Complaint, bool]:
        """The case of a customer's form, and whether anything has become of it.

        `invitation` is locked. The same words on the same day are the same complaint: people
        press buttons twice. But once its case is closed they mean that it should not be: it is
        reopened, or, when that is too late, there is another case.
        """
        known = await store.same_words(
            tx, invitation.workspace, invitation.invitation_id, subject, body
        )
        if known is not None:
            complaint, told_at = known
            if complaint.case.state is State.CLOSED:
                if State.REOPENED in rules.allowed_from(complaint.case, self.levels, now):
                    again = await self._step(
                        tx, complaint, State.REOPENED, actor=CUSTOMER, note=AGAIN, now=now
                    )
                    return again, True
            elif told_at.astimezone(UTC).date() == now.date():
                return complaint, False
        await self._require_room(tx, invitation)
        complaint = Complaint(
            workspace=invitation.workspace,
            case_id=uuid4(),
            number=await store.next_number(tx, invitation.workspace),
            contact=invitation.contact,
            subject=subject,
            body=body,
            case=rules.begin(self.levels, now),
        )
        return await self._open(tx, complaint, CUSTOMER, now, invitation.invitation_id), True

    async def get(
        self, tx: AsyncConnection, workspace: str, case_id: UUID
    ) -> tuple[Complaint, list[Step], list[Breach]]:
        """A case, its history and the limits it has missed; NotFoundError when the workspace has
        none with this id.
        """
        complaint = await self._load(tx, workspace, case_id)
        steps = await store.history(tx, workspace, case_id)
        return complaint, steps, await breaches.of_case(tx, workspace, case_id)

    async def move(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        to: State,
        *,
        actor: str,
        note: str,
        now: datetime,
    ) -> Complaint:
        """Take a case one step on; IllegalMoveError names the steps that are possible."""
        before = await self._load(tx, workspace, case_id, lock=True)
        return await self._step(tx, before, to, actor=actor, note=note, now=now)

    async def _step(
        self,
        tx: AsyncConnection,
        before: Complaint,
        to: State,
        *,
        actor: str,
        note: str,
        now: datetime,
    ) -> Complaint:
        moved = replace(before, case=rules.move(before.case, to, self.levels, now))
        await store.save_case(tx, moved)
        await self._tell(tx, moved, before.case.state, actor=actor, note=note, now=now)
        return moved

    async def _open(
        self,
        tx: AsyncConnection,
        complaint: Complaint,
        actor: str,
        now: datetime,
        invitation_id: UUID | None = None,
    ) -> Complaint:
        await store.add_case(tx, complaint, invitation_id)
        await self._tell(tx, complaint, None, actor=actor, note="", now=now)
        return complaint

    async def _tell(
        self,
        tx: AsyncConnection,
        complaint: Complaint,
        before: State | None,
        *,
        actor: str,
        note: str,
        now: datetime,
    ) -> None:
        """Write the step into the history, set the clocks by it, and publish it."""
        step = rules.step_of(complaint.case, before, actor=actor, note=note, now=now)
        await store.add_step(tx, complaint, step)
        await watch(tx, complaint)
        await self._publisher.tell(tx, own_events.case_step(complaint, now))

    async def _require_room(self, tx: AsyncConnection, invitation: Invitation) -> None:
        workspace = invitation.workspace
        used = await store.count_by_link(tx, workspace, invitation.invitation_id)
        if used >= self._per_link:
            message = (
                "We have your complaints and are working on them. Please write to us for more."
            )
            raise TooManyError(message)

    async def _load(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, *, lock: bool = False
    ) -> Complaint:
        complaint = await store.case(tx, workspace, case_id, lock=lock)
        if complaint is None:
            message = f"There is no case {case_id} in this workspace. GET /v1/cases lists them."
            raise NotFoundError(message, details={"id": str(case_id)})
        return complaint
