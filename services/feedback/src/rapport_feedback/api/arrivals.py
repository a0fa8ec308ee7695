"""How complaints come in: forms and addresses, and what is known of who has written."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Self
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.contact import email_address
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseView
from rapport_feedback.api.complaint_pages import FORM
from rapport_feedback.api.models import Address, Line, Name, Note, Request, id_of
from rapport_feedback.domain.arrivals import AfterClosing, Arrival
from rapport_feedback.domain.naming import named
from rapport_feedback.domain.threads import LONGEST_LOCAL, place
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.store import arrivals as store
from rapport_feedback.tables import SCHEMA

Server = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$", to_lower=True)]
NO_FORM = "There is no such form in this workspace. GET /v1/complaint-forms lists them."


class NewForm(Request):
    name: Line
    per_hour: int = Field(60, ge=1, le=10_000, description="so many cases at most")
    files: bool = True


class FormChange(Request):
    """What shall be otherwise; what is left out stays."""

    name: Line | None = None
    per_hour: int | None = Field(None, ge=1, le=10_000)
    files: bool | None = None


class FormView(BaseModel):
    id: UUID
    name: str
    per_hour: int
    files: bool
    url: str = Field(description="whoever has it may complain")
    created_at: datetime


class AddressBody(Request):
    """`trusted`: the servers (authserv-id of RFC 8601) whose word on a sender counts: yours."""

    trusted: list[Server] = Field(default_factory=list, max_length=10)
    after_closing: AfterClosing = "reopen"


class AddressView(BaseModel):
    address: str
    trusted: list[str]
    after_closing: AfterClosing
    created_at: datetime

    @classmethod
    def of(cls, one: store.Address) -> Self:
        """An address as staff see it."""
        return cls(**{name: getattr(one, name) for name in cls.model_fields})


class MailView(BaseModel):
    """A mail of the customer: `verdict` is what the receiving server says of the sender."""

    id: str
    sender: str
    verdict: str
    automatic: str = Field(description="what says that a machine wrote it; empty: a person")
    quoted: str
    at: datetime


class ArrivalView(BaseModel):
    """By which way a case came. What is not verified is a claim."""

    channel: str
    place: str
    verified: bool
    email: str | None
    phone: str | None
    name: str | None
    at: datetime
    mails: list[MailView]

    @classmethod
    def told(cls, one: Arrival, mails: Sequence[store.Mail]) -> Self:
        """How a case came in, as staff see it."""
        writer = one.writer
        return cls(
            channel=one.channel,
            place=one.place,
            verified=writer.verified,
            email=writer.email,
            phone=writer.phone,
            name=writer.name,
            at=one.at,
            mails=[
                MailView(id=mail.message_id, **dict(list(mail._asdict().items())[1:]))
                for mail in mails
            ],
        )


class Verification(Request):
    """Whose the case is; without names it is who it claims to be."""

    user_id: Name | None = None
    email: Address | None = None
    note: Note = ""


def complaint_form_routes(engine: AsyncEngine, link_key: bytes, link_base: str) -> APIRouter:
    """/v1/complaint-forms."""
    router = Router(prefix="/v1/complaint-forms", tags=["complaint intake"])

    view = partial(_form_view, link_key, link_base)

    @router.post("", status_code=201)
    async def create(body: NewForm, caller: Writer, once: Repeatable) -> FormView:
        """Make a form for complaints, and its link; people need no login."""
        made = store.Form(
            uuid4(), body.name, body.per_hour, body.files, clock.now(), archived_at=None
        )
        workspace = caller.workspace
        async with engine.begin() as tx:
            known = await once.earlier(
                tx, SCHEMA, workspace, body=body.model_dump(), made_id=str(made.form_id)
            )
            if known is not None:
                found = await store.form(tx, workspace, UUID(known))
                return view(workspace, found or made)
            await store.add_form(tx, workspace, made)
        return view(workspace, made)

    @router.get("", response_model=Listed[FormView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """Those that are open, by id."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await store.forms(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(
            found, key=lambda one: [one.form_id], show=lambda one: view(caller.workspace, one)
        )

    _add_form_changes(router, engine, view)
    return router


def _form_view(link_key: bytes, link_base: str, workspace: str, one: store.Form) -> FormView:
    word = place(link_key, FORM, workspace, str(one.form_id))
    return FormView(
        id=one.form_id,
        url=f"{link_base}/complain/{word}",
        **{name: getattr(one, name) for name in ("name", "per_hour", "files", "created_at")},
    )


def _add_form_changes(
    router: APIRouter, engine: AsyncEngine, view: Callable[[str, store.Form], FormView]
) -> None:
    @router.patch("/{form_id}")
    async def change(form_id: str, body: FormChange, caller: Writer) -> FormView:
        """Let a form be otherwise; its link stays."""
        given = {key: one for key, one in body.model_dump().items() if one is not None}
        async with engine.begin() as tx:
            found = await store.form(tx, caller.workspace, id_of(form_id, FORM), lock=True)
            if found is None or found.archived_at is not None:
                raise NotFoundError(NO_FORM)
            changed = found._replace(**given)
            await store.save_form(tx, caller.workspace, changed)
        return view(caller.workspace, changed)

    @router.delete("/{form_id}", status_code=204)
    async def archive(form_id: str, caller: Writer) -> None:
        """Close a form: its link leads nowhere any more. Its cases stay."""
        async with engine.begin() as tx:
            found = await store.form(tx, caller.workspace, id_of(form_id, FORM), lock=True)
            if found is None:
                raise NotFoundError(NO_FORM)
            await store.save_form(tx, caller.workspace, found._replace(archived_at=clock.now()))


def address_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/complaint-addresses."""
    router = Router(prefix="/v1/complaint-addresses", tags=["complaint intake"])

    @router.get("", response_model=Listed[AddressView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By address."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.addresses(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.address], show=AddressView.of)

    @router.put("/{address}")
    async def declare(address: str, body: AddressBody, caller: Writer) -> AddressView:
        """Take complaints that are mailed to this address, which leads to our mail server."""
        one = store.Address(
            caller.workspace, _own(address), body.trusted, body.after_closing, clock.now()
        )
        async with engine.begin() as tx:
            if not await store.put_address(tx, one):
                message = f"{one.address} is another workspace's already."
                raise ConflictError(message)
            kept = await store.address(tx, one.address)
        return AddressView.of(kept or one)

    @router.delete("/{address}", status_code=204)
    async def archive(address: str, caller: Writer) -> None:
        """Take no more mails for it; its cases stay."""
        async with engine.begin() as tx:
            if not await store.drop_address(tx, caller.workspace, _own(address)):
                message = "There is no such address. GET /v1/complaint-addresses lists them."
                raise NotFoundError(message)

    return router


def arrival_routes(engine: AsyncEngine, arriving: Arriving) -> APIRouter:
    """/v1/cases/{case_id}/arrival."""
    router = Router(prefix="/v1/cases/{case_id}", tags=["complaint intake"])

    @router.get("/arrival")
    async def arrived(case_id: str, caller: Reader) -> ArrivalView:
        """By which way a case came, who its writer claims to be, and what is known of mails."""
        where = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            found = await store.arrival(tx, *where)
            mails = await store.mails(tx, *where)
        if found is None:
            message = (
                "Nothing is known: staff took it down, a survey's link led to it, or it is no case."
            )
            raise NotFoundError(message)
        return ArrivalView.told(found, mails)

    @router.post("/verification")
    async def verify(case_id: str, body: Verification, caller: Writer) -> CaseView:
        """Say whose a case is: their timeline has it from now on, and its answers are theirs."""
        who = named(body.user_id, body.email, None)
        if who is None and (body.user_id or body.email):
            message = "No person is named by that: give the person's user_id or email."
            raise InvalidRequestError(message)
        now = clock.now()
        async with engine.begin() as tx:
            made = await arriving.verify(
                tx,
                caller.workspace,
                id_of(case_id, "case"),
                who,
                actor=caller.subject,
                note=body.note,
                now=now,
            )
        return CaseView.of(made, now)

    return router


def _own(address: str) -> str:
    """An address in normal form; InvalidRequestError for what is none, or has no room for words."""
    found = email_address(address)
    local = (found or "").rpartition("@")[0]
    if found is None or "+" in local or len(local) > LONGEST_LOCAL:
        message = (
            f"An address for complaints has at most {LONGEST_LOCAL} characters before the @, and "
            "no +, as complaints@shop.example: what leads to threads is put there."
        )
        raise InvalidRequestError(message)
    return found
