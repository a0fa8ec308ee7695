"""Complaints come in by forms, mails and connectors: whose word counts, and each once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback import metrics
from rapport_feedback.domain import own_events
from rapport_feedback.domain.arrivals import OF_ONE_SENDER, Arrival, digest
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import Complaint
from rapport_feedback.domain.letters import Enclosed
from rapport_feedback.domain.naming import Contact, named
from rapport_feedback.handlers.attachments import attach
from rapport_feedback.handlers.case_errors import TooManyError
from rapport_feedback.handlers.cases import CUSTOMER, Cases, NewEntry
from rapport_feedback.store import arrivals as store
from rapport_feedback.store.arrivals import Form

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VERIFIED = "verified"
"""The kind of entry that says so."""
FULL = "This form takes no more complaints just now. Please try again in an hour, or write to us."
NO_FORM = "There is no such page. Please check that the link is complete."


@dataclass(frozen=True, slots=True)
class Words:
    """What a complaint says, and what came with it."""

    subject: str
    body: str
    files: Sequence[Enclosed] = field(default_factory=tuple)
    fields: Fields = field(default_factory=Fields)


class Arriving:
    """Opens cases for who is not known, or known by somebody's word."""

    def __init__(self, cases: Cases, publisher: Publisher) -> None:
        self.cases = cases
        self.publisher = publisher

    async def open(
        self,
        tx: AsyncConnection,
        workspace: str,
        arrival: Arrival,
        words: Words,
        mark: bytes | None = None,
    ) -> Complaint:
        """A new case, with how it came."""
        case_id = uuid4()
        made = await self.cases.open(
            tx,
            workspace,
            case_id,
            arrival.writer.contact_of(case_id),
            subject=words.subject,
            body=words.body,
            actor=CUSTOMER,
            now=arrival.at,
            # Queues and policies go by it.
            fields=replace(words.fields, channel=words.fields.channel or arrival.channel),
        )
        await store.add_arrival(tx, workspace, case_id, arrival, mark)
        metrics.ARRIVALS.labels(arrival.channel).inc()
        metrics.CASES.labels(made.case.state).inc()
        return made

    async def by_form(
        self, tx: AsyncConnection, workspace: str, form_id: UUID, arrival: Arrival, words: Words
    ) -> Complaint:
        """The case of a form; all the same on the same day is one complaint: people press buttons
        twice. Once its case is closed they mean that it should not be: it is reopened, or there is
        another one.

        NotFoundError for a form that is not open, TooManyError beyond what it takes,
        RefusedFileError for a file.
        """
        form = await open_form(tx, workspace, form_id, lock=True)
        email, mark = arrival.writer.email or "", _mark(arrival, words)
        known = await store.same_words(tx, workspace, mark)
        if known is not None:
            complaint = await self.cases.get(tx, workspace, known)
            again = await self.cases.again(tx, complaint, arrival.at)
            if again is not None:
                return again[0]
            mark = None
        place = (workspace, arrival.place)
        if await store.arrivals_since(tx, *place, arrival.at - HOUR) >= form.per_hour:
            raise TooManyError(FULL)
        of_sender = await store.arrivals_since(tx, *place, arrival.at - DAY, email or None)
        if email and of_sender >= OF_ONE_SENDER:
            raise TooManyError(FULL)
        made = await self.open(tx, workspace, arrival, words, mark)
        for file in words.files if form.files else ():
            await attach(tx, (workspace, made.case_id), file, "form", arrival.at)
        return made

    async def verify(
        self,
        tx: AsyncConnection,
        workspace: str,
        case_id: UUID,
        who: Contact | None,
        *,
        actor: str,
        note: str,
        now: datetime,
    ) -> Complaint:
        """A case is of `who`, or of who it claims to be: their timeline has it from now on.

        ConflictError when it claims nobody; NotFoundError.
        """
        before = await self.cases.get(tx, workspace, case_id)
        arrived = await store.arrival(tx, workspace, case_id)
        claimed = named(None, arrived.writer.email, None) if arrived else None
        chosen = who or claimed
        if chosen is None:
            message = "The case says of nobody whose it is: give user_id or email."
            raise ConflictError(message, details={"id": str(case_id)})
        known = {name for name in (before.contact.user_id, before.contact.email) if name}
        if known and known.isdisjoint({chosen.user_id, chosen.email}):
            message = "The case is somebody's already: open another one for this person."
            raise ConflictError(message, details={"id": str(case_id)})
        entry = NewEntry(VERIFIED, note or "The customer is who the case says.")
        await self.cases.note(tx, workspace, case_id, entry, actor=actor, now=now, always=True)
        await store.verify(tx, workspace, case_id, user_id=chosen.user_id, email=chosen.email)
        made = await self.cases.get(tx, workspace, case_id)
        await self.publisher.tell(tx, own_events.case_verified(made, now))
        return made


def _mark(arrival: Arrival, words: Words) -> bytes | None:
    who, about = arrival.writer, words.fields
    said = (who.email or "", who.phone or "", who.name or "", about.order_id, about.product)
    files = [one.content for one in words.files]
    return digest(arrival.place, arrival.at, *said, words.subject, words.body, files=files)


async def open_form(
    tx: AsyncConnection, workspace: str, form_id: UUID, *, lock: bool = False
) -> Form:
    """A form that people may fill in; NotFoundError."""
    form = await store.form(tx, workspace, form_id, lock=lock)
    if form is None or form.archived_at is not None:
        raise NotFoundError(NO_FORM)
    return form
