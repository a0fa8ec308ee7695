"""What operators do with data feeds: declare, change, remove and try them; who may be asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.feed_addresses import (
    AddressError,
    filled,
    host_of,
    places,
    require_address,
)
from rapport_campaign.domain.feed_answers import AnswerError, require_small
from rapport_campaign.domain.feeds import (
    MOST_FEEDS,
    NAME,
    ROOT,
    Feed,
    Spec,
    header_problem,
    named,
    unfit,
)
from rapport_campaign.domain.model import State
from rapport_campaign.domain.speaking import mentions
from rapport_campaign.domain.templates import Said
from rapport_campaign.handlers.feed_asking import Asker, FeedError
from rapport_campaign.handlers.feed_questions import NO_VALUE, variables_of
from rapport_campaign.handlers.supplying import Spoken
from rapport_campaign.store import feeds as store
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.outside.addresses import Network

NOT_ALLOWED = "its host is not among those that may be asked"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a feed said when it was tried; `data`: what a mail would show, None if it would not go.

    `reason`: why there was no answer.
    """

    url: str | None
    data: Any
    answered: bool
    reason: str | None = None
    seconds: float = 0.0
    size: int = 0


async def require(tx: AsyncConnection, workspace: str, name: str) -> Feed:
    """A feed of the workspace, or NotFoundError."""
    found = (await store.named(tx, [(workspace, name)])) if NAME.fullmatch(name) else {}
    if (workspace, name) not in found:
        raise NotFoundError(f"There is no data feed {name[:64]!r} in this workspace.")
    return found[workspace, name]


def require_spec(spec: Spec, secret: Mapping[str, str], own: Sequence[Network]) -> None:
    """InvalidRequestError for a feed that can't be asked."""
    try:
        require_address(spec.address, of_people=spec.kind == "person", own=own)
    except AddressError as error:
        raise _unfit("address", f"address {error}.") from error
    if spec.kind == "person" and spec.cache_seconds is None:
        raise _unfit("cache_seconds", "cache_seconds: only a feed of the kind run is asked once.")
    for place, headers in (("headers", spec.headers), ("secret_headers", secret)):
        for name, value in headers.items():
            problem = header_problem(name, value)
            if problem is not None:
                raise _unfit(place, f"{place}: {problem}.")
    try:
        require_small([spec.fall_back.data])
    except AnswerError as error:
        raise _unfit("fall_back.data", f"fall_back.data: {error}.") from error
    if spec.fall_back.use == "data" and not isinstance(spec.fall_back.data, dict | list):
        raise _unfit("fall_back.data", "fall_back.data: an object or a list, which is shown then.")


async def put(
    tx: AsyncConnection,
    asker: Asker,
    place: tuple[str, str],
    given: tuple[Spec, Mapping[str, str] | None],
    actor: str,
) -> Feed:
    """Write a feed; without secret headers those that it has stay, while it asks the same host."""
    (workspace, name), (spec, secret) = place, given
    if NAME.fullmatch(name) is None:
        raise _unfit("name", "name: a-z, 0-9 and _, such as `weather`.")
    require_spec(spec, secret or {}, asker.http.own)
    await store.seize(tx, workspace)
    before = (await store.named(tx, [place])).get(place)
    if before is None and len(await store.of_workspace(tx, workspace, limit=MOST_FEEDS)) >= (
        MOST_FEEDS
    ):
        message = f"A workspace has at most {MOST_FEEDS} data feeds: remove one."
        raise InvalidRequestError(message, details={"limit": MOST_FEEDS})
    host = host_of(spec.address)
    if host not in {one.host for one in await store.hosts(tx, workspace)}:
        message = (
            f"address: {host} is not among the hosts that may be asked: "
            "have it put there by PUT /v1/feed-hosts (scope feeds:hosts)."
        )
        raise _unfit("address", message)
    one = Feed(workspace, name, 1, spec, clock.now(), actor)
    if before is not None:
        one = replace(one, version=before.version + 1)
    if secret is not None:
        names = sorted(secret)
        one = replace(one, sealed=asker.sealed(workspace, name, secret), secret_names=names)
    elif before is not None and before.sealed is not None:
        if before.host != host:
            message = "secret_headers: give them again, it is another host that would get them."
            raise _unfit("secret_headers", message)
        one = replace(one, sealed=before.sealed, secret_names=before.secret_names)
    await store.put(tx, one)
    return one


async def remove(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take a feed away; ConflictError while campaigns speak of it."""
    await store.seize(tx, workspace)
    await require(tx, workspace, name)
    users = await store.used_by(tx, workspace, name)
    if users:
        message = f"Data feed {name!r} is shown by {len(users)} campaigns: archive these first."
        shown = [{"id": one[0], "name": one[1]} for one in users]
        raise ConflictError(message, details={"campaigns": shown})
    await store.remove(tx, workspace, name)


async def check(tx: AsyncConnection, workspace: str, spoken: Sequence[Spoken]) -> None:
    """InvalidRequestError, with each place, for what texts say of feeds that there are not, see
    `supplying.Check`. Those that are there stay until the commit.
    """
    await store.seize(tx, workspace)
    feeds = await store.of_workspace(tx, workspace, limit=MOST_FEEDS)
    known = {one.name: one.spec.fields for one in feeds}
    problems = [
        wrong.told(one.field, one.source)
        for one in spoken
        if (wrong := unfit(one.mention, known)) is not None
    ]
    if problems:
        details = {"problems": problems[:50], "feeds": sorted(known)}
        raise InvalidRequestError(f"{problems[0]['message']}.", details=details)


async def tried(
    asker: Asker,
    feed: Feed,
    state: State | None,
    *,
    address: str,
    profile_id: str,
    campaign_id: str = "",
) -> Tried:
    """Ask a feed for somebody, as nobody has asked before; nothing is kept of it."""
    variables = variables_of(
        feed, state, address=address, profile_id=profile_id, campaign_id=campaign_id
    )
    url = filled(feed.spec.address, variables)
    fall_back = feed.spec.fall_back
    instead = fall_back.data if fall_back.use in {"data", "last_good"} else None
    if url is None or not feed.allowed:
        return Tried(url, instead, answered=False, reason=NO_VALUE if url is None else NOT_ALLOWED)
    try:
        found = await asker.ask(feed, url)
    except FeedError as error:
        return Tried(url, instead, answered=False, reason=error.reason)
    return Tried(
        url, found.data, answered=True, seconds=round(found.seconds, 3), size=len(found.body)
    )


def shown_by(said: Said) -> set[str]:
    """The feeds that a text shows."""
    parts = (said.subject, said.html, said.text or "", said.preheader, said.amp or "")
    return named(one.path for part in parts for one in mentions(part, ROOT))


def needs_somebody(feed: Feed) -> bool:
    """Whether it is asked for somebody only."""
    return any(one.startswith("person.") for one in places(feed.spec.address))


def _unfit(path: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(message, details={"path": path})
