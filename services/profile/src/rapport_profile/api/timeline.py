"""What a person did: a page of it, and of which events."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event, EventType
from rapport_common.paging import Paging
from rapport_common.routes import Router
from rapport_profile.api.asking import NO_NUL, After, Reader, person
from rapport_profile.api.models import people as models
from rapport_profile.domain.filtering import MAX_NAMES, Wanted
from rapport_profile.handlers import timeline as handler
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.store.timeline import Span

Name = Annotated[str, Query(max_length=512, pattern=NO_NUL)]


def _wanted(
    *,
    types: Annotated[
        list[EventType] | None, Query(alias="type", max_length=6, description="Any of these.")
    ] = None,
    names: Annotated[
        list[Name] | None,
        Query(alias="name", max_length=MAX_NAMES, description="An event's name: any of these."),
    ] = None,
    source: Annotated[
        str | None, Query(max_length=63, pattern=NO_NUL, description="A source's id.")
    ] = None,
    path: Annotated[
        str | None,
        Query(
            alias="property",
            max_length=512,
            pattern=NO_NUL,
            description="A path into the properties: `order_id`, or `products.sku` for any entry.",
        ),
    ] = None,
    equals: Annotated[
        str | None,
        Query(max_length=512, pattern=NO_NUL, description="The value of `property`."),
    ] = None,
    group: Annotated[
        str | None,
        Query(max_length=512, pattern=NO_NUL, description="The key of a group it happened in."),
    ] = None,
) -> Wanted:
    if (path is None) != (equals is None):
        message = "property: what it is compared with is missing: give `property` and `equals`."
        missing = "property" if path is None else "equals"
        raise InvalidRequestError(message, details={"parameter": missing})
    return Wanted(tuple(types or ()), tuple(names or ()), source, path, equals, group=group)


def _span(
    since: Annotated[datetime | None, Query(description="Events from then on.")] = None,
    until: Annotated[datetime | None, Query(description="Events before then.")] = None,
    order: Annotated[
        Literal["newest", "oldest"], Query(description="Which events come first.")
    ] = "newest",
) -> Span:
    return Span(_instant("since", since), _instant("until", until), order == "oldest")


def timeline_routes(engine: AsyncEngine, arrivals: Arrivals) -> APIRouter:
    """The events of a person."""
    router = Router(tags=["profiles"])

    @router.get("/v1/profiles/{profile_id}/timeline", response_model=models.Timeline)
    async def timeline(
        profile_id: UUID,
        caller: Reader,
        *,
        page: Paging,
        wanted: Annotated[Wanted, Depends(_wanted)],
        span: Annotated[Span, Depends(_span)],
        own: After,
    ) -> Response:
        """Events with a time from `since` and before `until`, newest first.

        Where filters let few events of very many through, a page has less than `limit`, or
        nothing, and `next` goes on behind what was looked at.
        """
        after = page.after(datetime, str, str)
        await arrivals.require(own.key(caller.workspace))
        async with engine.begin() as tx:
            who, known = await person(tx, caller.workspace, profile_id)
            size = known.summary.members if known.summary is not None else 0
            asked = handler.Asked(who, size, span, wanted, page.ask, after)
            found = await handler.page(tx, asked)
        body = page.answer(found.events, key=_place, show=_shown, ended_at=found.ended_at)
        content = msgspec.json.encode({"profile_id": str(who.profile_id), **body})
        return Response(content, media_type="application/json")

    return router


def _place(event: Event) -> tuple[Any, ...]:
    return (event.timestamp, event.source, event.message_id)


def _shown(event: Event) -> msgspec.Raw:
    """msgspec, because events are passed on as the JSON they are."""
    return msgspec.Raw(encode(event))


def _instant(name: str, value: datetime | None) -> datetime | None:
    """A time that was asked for as an instant; without an offset it is UTC."""
    if value is None:
        return None
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        message = f"{name}: this time is outside the years 1 to 9999 in UTC."
        raise InvalidRequestError(message, details={"parameter": name}) from error
