"""Complaint cases: opened by staff or by the customer, and moved on step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import AppError, ConflictError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import cases as rules
from rapport_feedback.domain import own_events
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import Breach, Complaint, State, Step
from rapport_feedback.domain.clocks import Moment
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.policies import ServiceLevels
from rapport_feedback.domain.surveys import Invitation
from rapport_feedback.domain.winding import Kept
from rapport_feedback.handlers import placing
from rapport_feedback.handlers.winding import Wound, keep, rewound, wind
from rapport_feedback.store import (
    breaches,
    case_clocks,
    case_entries,
    case_messages,
    case_rules,
    merging,
)
from rapport_feedback.store import cases as store
from rapport_feedback.store import desk as desk_store
from rapport_feedback.store.case_clocks import CONTACT, EXTENDED

CUSTOMER = "customer"
UNNUMBERED = 0
"""The number of a case that is not kept yet."""

AGAIN = "The customer has sent the same complaint again."


class TooManyError(AppError):
    """A public form was used more often than a person would."""

    status = 429
    code = "too_many"


class ChangedError(ConflictError):
    """Somebody else has changed the case meanwhile; `details.changes` says who, and what."""

    code = "changed_meanwhile"


class MergedError(ConflictError):
    """The case was merged into another one, which goes on: `details.heir_id`."""

    code = "merged"


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What was done about a case, why or what was said, and what of it is data."""

    kind: str
    note: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case, its history, its clocks, what was told of them, and what was written."""

    complaint: Complaint
    steps: Sequence[Step]
    entries: Sequence[case_entries.Entry]
    clocks: Sequence[Kept]
    breaches: Sequence[Breach]
    notices: Sequence[case_entries.Notice]
    messages: Sequence[case_messages.Message]
    merged: Sequence["CaseRecord"] = ()


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
        fields: Fields | None = None,
    ) -> Complaint:
        """A new case that staff took down for a customer."""
        complaint = Complaint(
            workspace=workspace,
            case_id=case_id,
            number=UNNUMBERED,
            contact=contact,
            subject=subject,
            body=body,
            case=rules.begin(now),
            fields=fields or Fields(),
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
            complaint = await self.going_on(tx, complaint)
            if complaint.case.state is State.CLOSED:
                if State.REOPENED in rules.allowed_from(complaint.case, self.levels.reopen, now):
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
            number=UNNUMBERED,
            contact=invitation.contact,
            subject=subject,
            body=body,
            case=rules.begin(now),
            fields=Fields(channel="survey"),
        )
        return await self._open(tx, complaint, CUSTOMER, now, invitation.invitation_id), True

    async def get(self, tx: AsyncConnection, workspace: str, case_id: UUID) -> Complaint:
        """A case; NotFoundError when the workspace has none with this id."""
        return await self._load(tx, workspace, case_id)

    async def record(self, tx: AsyncConnection, workspace: str, case_id: UUID) -> CaseRecord:
        """A case with all that there is about it; NotFoundError as for `get`."""
        complaint = await self._load(tx, workspace, case_id)
        merged = await merging.merged_into(tx, workspace, case_id)
        return await self._record(tx, complaint, [await self._record(tx, one) for one in merged])

    async def _record(
        self, tx: AsyncConnection, complaint: Complaint, merged: Sequence[CaseRecord] = ()
    ) -> CaseRecord:
        place = complaint.workspace, complaint.case_id
        return CaseRecord(
            complaint=complaint,
            merged=merged,
            steps=await store.history(tx, *place),
            entries=await case_entries.of_case(tx, *place),
            clocks=list((await case_clocks.of_case(tx, *place)).values()),
            breaches=await breaches.of_case(tx, *place),
            notices=await case_entries.notices(tx, *place),
            messages=await case_messages.of_case(tx, *place),
        )

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
        seen: int | None = None,
    ) -> Complaint:
        """Take a case one step on; IllegalMoveError names the steps that are possible.

        `seen`: the version of the case that the actor knows; ChangedError if it is another by now.
        """
        before = await self.locked(tx, workspace, case_id, seen)
        return await self._step(tx, before, to, actor=actor, note=note, now=now)

    async def locked(
        self, tx: AsyncConnection, workspace: str, case_id: UUID, seen: int | None = None
    ) -> Complaint:
        """A case that is to be changed, locked; MergedError for one that goes on as another."""
        before = await self._load(tx, workspace, case_id, lock=True)
        await _require_seen(tx, before, seen)
        if before.heir_id is not None:
            message = f"The case was merged into {before.heir_id}: work on that one."
            raise MergedError(message, details={"heir_id": str(before.heir_id)})
        return before

    async def going_on(self, tx: AsyncConnection, complaint: Complaint) -> Complaint:
        """The case itself, or the one into which it was merged: locked."""
        if complaint.heir_id is None:
            return complaint
        return await self._load(tx, complaint.workspace, complaint.heir_id, lock=True)

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
        now = await case_clocks.not_before(tx, before.workspace, before.case_id, now)
        moved = replace(before, case=rules.move(before.case, to, self.levels.reopen, now))
        wound = await self._wound(tx, moved, now)
        await store.save_case(tx, wound.complaint)
        await placing.follow(tx, before, wound.complaint, now)
        return await self._tell(tx, wound, before.case.state, actor=actor, note=note, now=now)

    async def _open(
        self,
        tx: AsyncConnection,
        complaint: Complaint,
        actor: str,
        now: datetime,
        invitation_id: UUID | None = None,
    ) -> Complaint:
        desk = await desk_store.desk(tx, complaint.workspace)
        placed = replace(complaint, fields=desk.placed(complaint.fields))
        wound = await self._wound(tx, placed, now, is_new=True)
        # As late as can be: whoever else opens a case waits for the number until this one is kept.
        number = await store.next_number(tx, complaint.workspace)
        wound = replace(wound, complaint=replace(wound.complaint, number=number))
        await store.add_case(tx, wound.complaint, invitation_id)
        await placing.follow(tx, None, wound.complaint, now, desk)
        return await self._tell(tx, wound, None, actor=actor, note="", now=now)

    async def _wound(
        self, tx: AsyncConnection, complaint: Complaint, now: datetime, *, is_new: bool = False
    ) -> Wound:
        known = await case_rules.policies(tx, complaint.workspace, self.levels)
        step = Moment(now, complaint.case.version, to=complaint.case.state)
        if is_new:
            return rewound(complaint, {}, [step], known, now=now, since=now)
        return await wind(tx, complaint, known, now, step)

    async def _tell(
        self,
        tx: AsyncConnection,
        wound: Wound,
        before: State | None,
        *,
        actor: str,
        note: str,
        now: datetime,
    ) -> Complaint:
        """Write the step into the history, set the clocks by it, and publish it."""
        complaint = wound.complaint
        step = rules.step_of(complaint.case, before, actor=actor, note=note, now=now)
        await store.add_step(tx, complaint, step)
        await keep(tx, self._publisher, wound, now)
        await self._publisher.tell(tx, own_events.case_step(complaint, now))
        return complaint

    async def change(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        changes: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        now: datetime,
        seen: int | None = None,
    ) -> Complaint:
        """Let fields of a case be otherwise, its clocks go by the policy for that, and its queue.

        What is so already changes nothing. `seen` as in `move`.
        """
        before = await self.locked(tx, workspace, case_id, seen)
        what = NewEntry("fields", reason)
        return await self.set_fields(tx, before, changes, what, actor=actor, now=now)

    async def set_fields(
        self,
        tx: AsyncConnection,
        before: Complaint,
        changes: Mapping[str, Any],
        what: NewEntry,
        *,
        actor: str,
        now: datetime,
    ) -> Complaint:
        """The same of a locked case; `what`: how the entry is called, and why."""
        desk = await desk_store.desk(tx, before.workspace)
        fields = replace(before.fields, **changes)
        if before.case.state is not State.CLOSED:
            fields = desk.placed(fields)
        had, has = asdict(before.fields), asdict(fields)
        data = {name: [had[name], has[name]] for name in has if had[name] != has[name]}
        if not data:
            return before
        what = replace(what, data={**data, **what.data})
        after = await self.write(tx, replace(before, fields=fields), what, actor=actor, now=now)
        await placing.follow(tx, before, after, now, desk)
        return after

    async def note(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        what: NewEntry,
        *,
        actor: str,
        now: datetime,
        seen: int | None = None,
        always: bool = False,
    ) -> Complaint:
        """Write down what was done about a case: its clocks go by what the customer was told.

        `seen` as in `move`; `always`: at a closed case, too.
        """
        before = await self.locked(tx, workspace, case_id, seen)
        if before.case.state is State.CLOSED and what.kind != "note" and not always:
            message = "The case is closed: reopen it first, or write a note."
            raise ConflictError(message, details={"state": before.case.state})
        return await self.write(tx, before, what, actor=actor, now=now)

    async def write(
        self,
        tx: AsyncConnection,
        complaint: Complaint,
        what: NewEntry,
        *,
        actor: str,
        now: datetime,
    ) -> Complaint:
        """Append an entry to a locked case, and keep the case as it is given."""
        now = await case_clocks.not_before(tx, complaint.workspace, complaint.case_id, now)
        version = complaint.case.version + 1
        changed = replace(complaint, case=replace(complaint.case, version=version))
        known = await case_rules.policies(tx, complaint.workspace, self.levels)
        told, extended = what.kind == CONTACT, what.kind == EXTENDED
        happened = Moment(now, version, told=told or extended, extended=extended)
        is_open = complaint.case.state is not State.CLOSED
        moment = happened if told or extended else None
        wound = await wind(tx, changed, known, now, moment) if is_open else Wound(changed, (), ())
        await store.save_case(tx, wound.complaint)
        entry = case_entries.Entry(version, what.kind, actor, now, what.note, what.data)
        await case_entries.add(tx, changed, entry)
        if is_open:
            await keep(tx, self._publisher, wound, now)
        return wound.complaint

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


async def _require_seen(tx: AsyncConnection, complaint: Complaint, seen: int | None) -> None:
    version = complaint.case.version
    if seen is None or seen == version:
        return
    since = await case_entries.since(tx, complaint.workspace, complaint.case_id, seen)
    changes = [
        {"version": one[0], "what": one[1], "actor": one[2], "at": one[3].isoformat()}
        for one in since
    ]
    who = ", ".join(dict.fromkeys(one[2] for one in since)) or "somebody"
    message = f"The case is at version {version}, not {seen}: {who} changed it. Look at it again."
    raise ChangedError(message, details={"version": version, "changes": changes})
