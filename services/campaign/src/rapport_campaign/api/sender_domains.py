"""/v1/sender-domains: domains that a workspace sends from, and the records to publish for them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.sender_domains import (
    KEPT,
    Algorithm,
    DomainState,
    Finding,
    KeyState,
    RecordState,
    SenderDomain,
    SenderKey,
    dkim_name,
    dkim_value,
    domain_name,
    shown_name,
    strings,
)
from rapport_campaign.handlers import sender_domains as use
from rapport_campaign.handlers.sender_domains import Means
from rapport_campaign.store import sender_domains as store
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
_EXAMPLE: JsonDict = {"domain": "shop.example.com"}
_UNCHECKED = Finding("unchecked")


def _domain(text: str) -> str:
    try:
        return domain_name(text)
    except ValueError as error:
        raise PydanticCustomError("domain", str(error)) from error


Name = Annotated[str, Path(max_length=1024, description="The domain, in ASCII or not.")]


class NewSenderDomain(BaseModel):
    """A domain to send from."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    domain: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_domain)]


class ShownRecord(BaseModel):
    """A TXT record: what to publish, what DNS had at the last check, and what to do.

    `required`: without it no mail is signed. `strings` are those of the record where DNS wants them
    one by one. A `former` key's record may go at `until_at`.
    """

    purpose: Literal["dkim", "spf", "dmarc"]
    name: str
    type: Literal["TXT"] = "TXT"
    value: str | None
    strings: list[str]
    required: bool
    state: RecordState
    found: list[str]
    advice: str | None
    algorithm: Algorithm | None = None
    key: KeyState | None = Field(None, description="whether its key signs")
    until_at: datetime | None = None


class ShownSenderDomain(BaseModel):
    """A domain, in ASCII and as people write it, with all of its records."""

    domain: str
    shown: str
    state: DomainState
    reason: str | None = Field(description="what to do before it is verified")
    records: list[ShownRecord]
    checked_at: datetime | None
    verified_at: datetime | None = Field(description="for the first time")
    misses: int = Field(description="so many daily looks one after the other have not seen it")
    next_look_at: datetime | None
    created_at: datetime
    created_by: str


def sender_domain_routes(engine: AsyncEngine, means: Means) -> APIRouter:
    """For operators."""
    router = Router(tags=["sender domains"])
    _reading(router, engine, means)
    _changing(router, engine, means)
    return router


def _reading(router: APIRouter, engine: AsyncEngine, means: Means) -> None:
    @router.get("/v1/sender-domains", response_model=Listed[ShownSenderDomain])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The domains of the workspace, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.domain], show=lambda one: _shown(one, means))

    @router.get("/v1/sender-domains/{domain}")
    async def show(domain: Name, caller: Reader) -> ShownSenderDomain:
        """A domain, the records to publish, and what DNS had at the last check."""
        async with engine.begin() as tx:
            return _shown(await use.require(tx, caller.workspace, domain), means)


def _changing(router: APIRouter, engine: AsyncEngine, means: Means) -> None:
    @router.post("/v1/sender-domains", status_code=201)
    async def add(body: NewSenderDomain, caller: Writer) -> ShownSenderDomain:
        """Add a domain; its keys are made here, and stay here. Publish what `records` shows."""
        made = SenderDomain(caller.workspace, body.domain, "unchecked", clock.now(), caller.subject)
        pairs = await use.new_pairs()
        async with engine.begin() as tx:
            return _shown(await use.add(tx, means.keys, made, pairs), means)

    @router.post("/v1/sender-domains/{domain}/check")
    async def check(domain: Name, caller: Writer) -> ShownSenderDomain:
        """Ask DNS now. Mails from a verified domain, or from below it, are signed."""
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, domain)
        findings = await use.look(means, found)
        async with engine.begin() as tx:
            return _shown(await use.note(tx, caller.workspace, found.domain, findings), means)

    @router.post("/v1/sender-domains/{domain}/rotate")
    async def rotate(domain: Name, caller: Writer) -> ShownSenderDomain:
        """Make new keys. Those of now sign until a check sees the records of the new ones."""
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, domain)
        pairs = await use.new_pairs()
        async with engine.begin() as tx:
            return _shown(await use.rotate(tx, means.keys, caller.workspace, domain, pairs), means)

    @router.delete("/v1/sender-domains/{domain}", status_code=204)
    async def remove(domain: Name, caller: Writer) -> None:
        """Take a domain away: within seconds its mails go unsigned. Its keys are destroyed."""
        async with engine.begin() as tx:
            await use.remove(tx, caller.workspace, domain)


def _shown(one: SenderDomain, means: Means) -> ShownSenderDomain:
    return ShownSenderDomain(
        domain=one.domain,
        shown=shown_name(one.domain),
        state=one.state,
        reason=one.reason,
        records=[*(_key(one, key) for key in one.shown_keys), *_advised(one, means)],
        checked_at=one.checked_at,
        verified_at=one.verified_at,
        misses=one.misses,
        next_look_at=one.next_look_at,
        created_at=one.created_at,
        created_by=one.created_by,
    )


def _key(one: SenderDomain, key: SenderKey) -> ShownRecord:
    name, value = dkim_name(key, one.domain), dkim_value(key)
    told = one.findings.get(name, _UNCHECKED)
    return ShownRecord(
        purpose="dkim",
        name=name,
        value=value,
        strings=strings(value),
        required=key.algorithm == "rsa" and key.state != "former",
        state=told.state,
        found=list(told.found),
        advice=told.advice,
        algorithm=key.algorithm,
        key=key.state,
        until_at=key.ended_at and key.ended_at + KEPT,
    )


def _advised(one: SenderDomain, means: Means) -> list[ShownRecord]:
    """SPF and DMARC, which are the owner's own business."""
    include = f"v=spf1 include:{means.spf_include} ~all" if means.spf_include else None
    policy = "v=DMARC1; p=none"
    spf = one.findings.get(one.domain, _UNCHECKED)
    dmarc = one.findings.get(f"_dmarc.{one.domain}", _UNCHECKED)
    return [
        _advice("spf", one.domain, include, spf),
        _advice("dmarc", f"_dmarc.{one.domain}", policy, dmarc),
    ]


def _advice(
    purpose: Literal["spf", "dmarc"], name: str, value: str | None, told: Finding
) -> ShownRecord:
    return ShownRecord(
        purpose=purpose,
        name=name,
        value=value,
        strings=strings(value or ""),
        required=False,
        state=told.state,
        found=list(told.found),
        advice=told.advice,
    )
