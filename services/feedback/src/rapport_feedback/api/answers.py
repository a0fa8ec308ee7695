"""Answers to customers at cases, and macros."""

from typing import Annotated, Self
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.idempotency import Repeatable
from rapport_common.operator.texts import storable_text
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseView
from rapport_feedback.api.catalogue_models import Language, RuleName
from rapport_feedback.api.models import Request, id_of
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.domain.answers import MOST_OUTPUT
from rapport_feedback.handlers.answering import Answer, Answering, Draft
from rapport_feedback.tables import SCHEMA

Text = Annotated[
    str, StringConstraints(max_length=MOST_OUTPUT, strict=True), AfterValidator(storable_text)
]


class DraftBody(Request):
    """What is to be answered: by a template, or in these words (which may be Liquid, too)."""

    template: RuleName | None = None
    language: Language | None = None
    subject: Annotated[Text, StringConstraints(max_length=200)] = ""
    text: Text = Field("", examples=["We are sorry, and send you another one."])

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.template and not self.text.strip():
            message = "give a template, or a text"
            raise ValueError(message)
        return self

    def draft(self) -> Draft:
        """The same for the use case."""
        return Draft(self.template or "", self.language or "", self.subject, self.text)


class AnswerView(BaseModel):
    """An answer: `to` is empty where nobody can be written to."""

    to: str
    subject: str
    text: str
    template: str

    @classmethod
    def of(cls, one: Answer) -> Self:
        """An answer as staff see it."""
        return cls(to=one.to, subject=one.subject, text=one.text, template=one.template)


class SentAnswer(AnswerView):
    """An answer that was sent, with its id."""

    id: UUID


def answer_routes(engine: AsyncEngine, answering: Answering) -> APIRouter:
    """/v1/cases/{case_id}/answers and …/macros."""
    router = Router(prefix="/v1/cases/{case_id}", tags=["answers"])

    @router.post("/answers/preview")
    async def preview(case_id: str, body: DraftBody, caller: Reader) -> AnswerView:
        """An answer as it would go out; nothing is kept."""
        place = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            made = await answering.preview(tx, place, body.draft(), agent=caller.subject)
        return AnswerView.of(made)

    @router.post("/answers", status_code=201)
    async def send(case_id: str, body: DraftBody, caller: Writer, once: Repeatable) -> SentAnswer:
        """Send an answer by mail, in the thread of the case: the customer was told."""
        new, place = uuid4(), (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            known = await once.earlier(
                tx, SCHEMA, caller.workspace, body=body.model_dump(), made_id=str(new)
            )
            if known is not None:
                again = await answering.preview(tx, place, body.draft(), agent=caller.subject)
                return SentAnswer(id=UUID(known), **AnswerView.of(again).model_dump())
            made = await answering.send(
                tx, place, new, body.draft(), agent=caller.subject, now=clock.now()
            )
        return SentAnswer(id=new, **AnswerView.of(made).model_dump())

    @router.post("/macros/{name}", status_code=201)
    async def apply(case_id: str, name: str, caller: Writer, once: Repeatable) -> CaseView:
        """Do all that a macro says at a case, or nothing of it."""
        now, new, place = clock.now(), uuid4(), (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            known = await once.earlier(tx, SCHEMA, caller.workspace, body={}, made_id=str(new))
            if known is not None:
                return CaseView.of(await answering.case(tx, place), now)
            made = await answering.apply(
                tx, place, rule_name(name), new, agent=caller.subject, now=now
            )
        return CaseView.of(made, now)

    return router
