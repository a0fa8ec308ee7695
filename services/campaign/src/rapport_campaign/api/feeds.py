"""/v1/feeds: JSON of others that mails show; /v1/feed-hosts: who of them may be asked."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.words import Line
from rapport_campaign.domain.addresses import addresses_of
from rapport_campaign.domain.feed_addresses import AddressError, host_of, require_address
from rapport_campaign.domain.feeds import MAX_BYTES, MAX_SECONDS, MOST_HOSTS, FallBack, Feed, Spec
from rapport_campaign.handlers import feeds as use
from rapport_campaign.handlers.feed_asking import Asker
from rapport_campaign.handlers.previews import NOBODY, person_of
from rapport_campaign.store import feeds as store
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.operator.texts import StorableText
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Admin = Annotated[Operator, Depends(operator("feeds:hosts"))]
Name = Annotated[str, Path(max_length=63, description="The feed's name: a-z, 0-9 and _.")]
Headers = Annotated[dict[str, Annotated[str, Field(max_length=4000)]], Field(max_length=20)]
_FEED: JsonDict = {
    "address": "https://api.shop.example.com/v1/weather/{{ person.traits.city }}?units=metric",
    "kind": "person",
    "secret_headers": {"Authorization": "Bearer 4f1c…"},
    "seconds": 2,
    "cache_seconds": 900,
    "fields": ["sky", "degrees"],
    "fall_back": {"use": "data", "data": {"sky": "fine"}},
}


def _storable(told: Any) -> Any:
    try:
        text = msgspec.json.encode(told).decode()
    except (OverflowError, RecursionError, TypeError, ValueError):
        raise _unfit("must be values that JSON and databases have") from None
    if "\\u0000" in text or len(text) > MAX_BYTES:
        message = f"must have no NUL character, and at most {MAX_BYTES} bytes"
        raise _unfit(message)
    return told


def _unfit(message: str) -> PydanticCustomError:
    return PydanticCustomError("data", message)


class FallBackBody(BaseModel):
    """What a message gets when there is no answer."""

    model_config = ConfigDict(extra="forbid")

    use: Literal["data", "last_good", "suppress", "fail"] = "fail"
    data: Annotated[dict[str, Any] | list[Any] | None, AfterValidator(_storable)] = Field(
        None, description="shown in place of an answer, with `last_good` when there is none"
    )
    last_good_seconds: int = Field(86_400, ge=1, le=7 * 86_400, strict=True)


class FeedBody(BaseModel):
    """A data feed, as it is to be from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_FEED]})

    address: Annotated[StorableText, Field(max_length=1000)] = Field(
        description="https, at a host of /v1/feed-hosts; {{ person.traits.city }} may stand in a "
        "segment of its path and in its query, and is put in with percents"
    )
    kind: Literal["run", "person"] = Field(
        description="run: one answer for all; person: each may have one of their own"
    )
    headers: Headers = Field(default_factory=dict)
    secret_headers: Headers | None = Field(
        None, description="sealed, and never shown; left out: those it has stay"
    )
    seconds: float = Field(3, ge=0.1, le=MAX_SECONDS, description="for a whole answer")
    max_bytes: int = Field(64 * 1024, ge=1, le=MAX_BYTES, strict=True)
    cache_seconds: int | None = Field(
        300,
        ge=0,
        le=86_400,
        strict=True,
        description="so long an answer counts, 30 s at least and of people an hour at most; null: "
        "asked once for each run of a campaign or broadcast",
    )
    patience_seconds: int = Field(
        600, ge=0, le=86_400, strict=True, description="so long messages wait for a feed that fails"
    )
    fields: Annotated[list[Line], Field(max_length=200)] | None = Field(
        None, description="what its answers have at their top: others are refused in templates"
    )
    fall_back: FallBackBody = Field(default_factory=FallBackBody)

    @model_validator(mode="after")
    def _of_people_for_an_hour(self) -> Self:
        if self.kind == "person" and (self.cache_seconds or 0) > 3600:  # noqa: PLR2004 - an hour
            message = "cache_seconds of a feed of people is 3600 at most"
            raise PydanticCustomError("too_long", message)
        return self

    def spec(self) -> Spec:
        """As the domain has it."""
        given = self.model_dump(exclude={"secret_headers", "fall_back"})
        return Spec(**given, fall_back=FallBack(**self.fall_back.model_dump()))


class FeedView(BaseModel):
    """A data feed; `allowed`: whether its host may be asked. Secrets are told by their names."""

    name: str
    version: int
    address: str
    kind: str
    headers: dict[str, str]
    secret_headers: list[str]
    seconds: float
    max_bytes: int
    cache_seconds: int | None
    patience_seconds: int
    fields: list[str] | None
    fall_back: FallBackBody
    allowed: bool
    changed_at: datetime
    changed_by: str


class TryBody(BaseModel):
    """For whom a feed is to be asked, and of which campaign."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"profile_id": "0190a5b0-0000"}]}
    )

    profile_id: Line | None = None
    campaign_id: Line = ""


class TriedView(BaseModel):
    """What came of it: `data` is what a mail would show, null if it would not go."""

    address: str | None
    answered: bool
    reason: str | None
    seconds: float
    size: int
    data: Any


class HostsBody(BaseModel):
    """All hosts that data feeds of the workspace may ask."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"hosts": ["api.shop.example.com"]}]}
    )

    hosts: Annotated[list[Line], Field(max_length=MOST_HOSTS)]


class HostView(BaseModel):
    """A host, with its port if it is not 443; who has put it there."""

    host: str
    actor: str
    at: datetime


class HostsView(BaseModel):
    """All hosts that may be asked."""

    hosts: list[HostView]


def feed_routes(engine: AsyncEngine, asker: Asker) -> APIRouter:
    """All of it."""
    router = Router(tags=["data feeds"])
    _reading(router, engine)
    _changing(router, engine, asker)
    _hosts(router, engine, asker)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/feeds", response_model=Listed[FeedView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The data feeds of the workspace, by their names."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.of_workspace(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=_view)

    @router.get("/v1/feeds/{name}")
    async def show(name: Name, caller: Reader) -> FeedView:
        """One data feed."""
        async with engine.begin() as tx:
            return _view(await use.require(tx, caller.workspace, name))


def _changing(router: APIRouter, engine: AsyncEngine, asker: Asker) -> None:
    @router.put("/v1/feeds/{name}")
    async def put(name: Name, body: FeedBody, caller: Writer) -> FeedView:
        """Declare a data feed, or change it: templates show it as {{ feed.<name> }}."""
        place, given = (caller.workspace, name), (body.spec(), body.secret_headers)
        async with engine.begin() as tx:
            return _view(await use.put(tx, asker, place, given, caller.subject))

    @router.delete("/v1/feeds/{name}", status_code=204)
    async def remove(name: Name, caller: Writer) -> None:
        """Take a data feed away that no campaign shows."""
        async with engine.begin() as tx:
            await use.remove(tx, caller.workspace, name)

    @router.post("/v1/feeds/{name}/try")
    async def try_it(name: Name, body: TryBody, caller: Writer) -> TriedView:
        """Ask a data feed now, for somebody or nobody; nothing is kept of the answer."""
        async with engine.begin() as tx:
            feed = await use.require(tx, caller.workspace, name)
            who = body.profile_id
            person = await person_of(tx, caller.workspace, who) if who else None
        state = person.state if person else None
        addresses = addresses_of(state) if state else []
        found = await use.tried(
            asker,
            feed,
            state,
            address=addresses[0].value if addresses else NOBODY,
            profile_id=who or "",
            campaign_id=body.campaign_id,
        )
        return TriedView(
            address=found.url,
            answered=found.answered,
            reason=found.reason,
            seconds=found.seconds,
            size=found.size,
            data=found.data,
        )


def _hosts(router: APIRouter, engine: AsyncEngine, asker: Asker) -> None:
    @router.get("/v1/feed-hosts")
    async def hosts(caller: Reader) -> HostsView:
        """Who may be asked by data feeds."""
        async with engine.begin() as tx:
            return _hosts_view(await store.hosts(tx, caller.workspace))

    @router.put("/v1/feed-hosts")
    async def put_hosts(body: HostsBody, caller: Admin) -> HostsView:
        """Let these hosts be asked, and no others; a feed at another one is asked no more."""
        wanted = [_host(one, asker) for one in body.hosts]
        async with engine.begin() as tx:
            await store.seize(tx, caller.workspace)
            await store.put_hosts(tx, caller.workspace, wanted, caller.subject, clock.now())
            return _hosts_view(await store.hosts(tx, caller.workspace))


def _host(text: str, asker: Asker) -> str:
    bare = text.strip().lower().removeprefix("https://").removesuffix("/")
    problem = None
    for scheme in ("https", "http"):
        try:
            require_address(f"{scheme}://{bare}/", of_people=False, own=asker.http.own)
        except AddressError as error:
            problem = problem or str(error)
        else:
            if "/" not in bare and "?" not in bare and "{" not in bare:
                return host_of(f"{scheme}://{bare}/")
    message = f"hosts: {text[:100]!r} {problem or 'is more than a host, as api.example.com'}."
    raise InvalidRequestError(message, details={"path": "hosts"})


def _hosts_view(rows: list[Row[Any]]) -> HostsView:
    return HostsView(hosts=[HostView(host=one.host, actor=one.actor, at=one.at) for one in rows])


def _view(feed: Feed) -> FeedView:
    spec: dict[str, Any] = msgspec.to_builtins(feed.spec)
    return FeedView(
        **spec,
        name=feed.name,
        version=feed.version,
        secret_headers=feed.secret_names,
        allowed=feed.allowed,
        changed_at=feed.changed_at,
        changed_by=feed.changed_by,
    )
