"""Answers to customers, by templates, and macros: several changes at once or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.brands import brand_of
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.events.message import MessageRequest
from rapport_common.publisher import Publisher
from rapport_feedback.domain.answers import TemplateError, page_of, rendered, values_of
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.letters import clean
from rapport_feedback.domain.threads import reference, reply_address, thread
from rapport_feedback.handlers import catalogue
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import arrivals, people
from rapport_feedback.store.case_clocks import CONTACT
from rapport_feedback.tables import SCHEMA

MOST_SUBJECT = 200
NOBODY = (
    "Nobody can be written to: the case has no e-mail address. Write a note with kind `contact` "
    "when the customer was told otherwise."
)
NOT_YET = "The person is not known here yet; send it again in a few seconds."


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be answered: by a template (in a language), or in these words."""

    template: str = ""
    language: str = ""
    subject: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes out: `to` is empty where nobody can be written to."""

    to: str
    subject: str
    text: str
    template: str


class Answering:
    """Answers, and applies macros; `key` signs what leads answers back to their case."""

    def __init__(self, cases: Cases, requests: Publisher, key: bytes) -> None:
        self._cases = cases
        self._requests = requests
        self._key = key

    async def case(self, tx: AsyncConnection, place: tuple[str, UUID]) -> Complaint:
        """The case; NotFoundError."""
        return await self._cases.get(tx, *place)

    async def preview(
        self, tx: AsyncConnection, place: tuple[str, UUID], draft: Draft, *, agent: str
    ) -> Answer:
        """An answer as it would go out; nothing is kept. InvalidRequestError, NotFoundError."""
        workspace, case_id = place
        complaint = await self._cases.get(tx, workspace, case_id)
        arrived = await arrivals.arrival(tx, workspace, case_id)
        claimed = arrived.writer.email if arrived else None
        name = (arrived.writer.name if arrived else None) or ""
        brand = await brand_of(tx, SCHEMA, workspace)
        values = values_of(complaint, name=name, agent=agent, brand=brand.name or "")
        source = await _source(tx, workspace, draft, complaint.fields.language)
        try:
            subject, text = (rendered(one, values) for one in source)
        except TemplateError as error:
            message = f"/template: {error}"
            raise InvalidRequestError(message) from error
        plain = " ".join(clean(subject, MOST_SUBJECT).split())
        return Answer(
            to=complaint.contact.email or claimed or "",
            subject=plain or f"Re: {complaint.subject} [#{complaint.number}]",
            text=text,
            template=draft.template,
        )

    async def send(
        self,
        tx: AsyncConnection,
        place: tuple[str, UUID],
        answer_id: UUID,
        draft: Draft,
        *,
        agent: str,
        now: datetime,
    ) -> Answer:
        """Send an answer by mail, into its thread: an entry of the case, by which the customer
        was told. ConflictError when nobody can be written to.
        """
        made = await self.preview(tx, place, draft, agent=agent)
        if not made.to:
            raise ConflictError(NOBODY, details={"id": str(place[1])})
        data = {
            "to": made.to,
            "subject": made.subject,
            "template": made.template,
            "answer_id": str(answer_id),
        }
        complaint = await self._cases.note(
            tx, *place, NewEntry(CONTACT, made.text, data), actor=agent, now=now
        )
        await self._requests.tell(tx, await self._request(tx, complaint, answer_id, made, now))
        return made

    async def _request(
        self,
        tx: AsyncConnection,
        complaint: Complaint,
        answer_id: UUID,
        made: Answer,
        now: datetime,
    ) -> MessageRequest:
        workspace, case_id = complaint.workspace, complaint.case_id
        names = complaint.contact.identifiers
        profile_id = await people.profile_of(tx, workspace, names)
        if profile_id is None:
            raise ConflictError(NOT_YET, details={"id": str(case_id)})
        reply_to, references = "", []
        address = await self._address(tx, workspace, case_id)
        if address:
            word = thread(self._key, workspace, case_id)
            reply_to = reply_address(address, word)
            newest = await arrivals.newest_id(tx, workspace, case_id)
            references = [reference(address, word), *([newest] if newest else [])]
        return MessageRequest(
            workspace=workspace,
            request_id=f"answer-{answer_id}",
            profile_id=profile_id,
            to=made.to,
            subject="{{ data.subject }}",
            html=page_of(made.text),
            text="{{ data.text }}",
            requested_at=now,
            data=msgspec.Raw(msgspec.json.encode({"subject": made.subject, "text": made.text})),
            reply_to=reply_to,
            references=references,
        )

    async def _address(self, tx: AsyncConnection, workspace: str, case_id: UUID) -> str:
        """The address that a case came to, else the first one that is declared."""
        arrived = await arrivals.arrival(tx, workspace, case_id)
        declared = await arrivals.addresses(tx, workspace, after="", limit=100)
        known = [one.address for one in declared]
        if arrived is not None and arrived.place in known:
            return arrived.place
        return known[0] if known else ""

    async def apply(
        self,
        tx: AsyncConnection,
        place: tuple[str, UUID],
        macro: str,
        answer_id: UUID,
        *,
        agent: str,
        now: datetime,
    ) -> Complaint:
        """Do all that a macro says, in its order: fields, a note, an answer, steps. What can't be
        done raises, so that nothing of it is.
        """
        document: Mapping[str, Any] = (
            await catalogue.current(tx, place[0], "macro", macro)
        ).document
        if document.get("set"):
            await self._cases.change(
                tx, *place, document["set"], actor=agent, reason=macro, now=now
            )
        if document.get("note"):
            entry = NewEntry("note", document["note"], {"macro": macro})
            await self._cases.note(tx, *place, entry, actor=agent, now=now)
        if document.get("template"):
            draft = Draft(document["template"], document.get("language", ""))
            await self.send(tx, place, answer_id, draft, agent=agent, now=now)
        for state in document.get("states", ()):
            await self._cases.move(tx, *place, State(state), actor=agent, note=macro, now=now)
        return await self._cases.get(tx, *place)


async def _source(
    tx: AsyncConnection, workspace: str, draft: Draft, language: str
) -> tuple[str, str]:
    """Subject and text, as they are to be rendered: in the language of the draft, else in that in
    which the customer wants to be answered, else in English.
    """
    if not draft.template:
        return draft.subject, draft.text
    texts = (await catalogue.current(tx, workspace, "template", draft.template)).document["texts"]
    asked = (draft.language, language, "en")
    wanted = (one for name in asked for one in (name, name.partition("-")[0]))
    chosen = next((texts[one] for one in wanted if one in texts), next(iter(texts.values())))
    return draft.subject or chosen.get("subject", ""), chosen["text"]
