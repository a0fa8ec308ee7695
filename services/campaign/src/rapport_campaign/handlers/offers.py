"""Offers and guards as operators declare them: looked at as a whole, kept in versions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain import offers as rules
from rapport_campaign.domain import price_guards
from rapport_campaign.domain.minor_units import amount
from rapport_campaign.domain.offers import NAME, Offer
from rapport_campaign.domain.price_guards import USUAL, OfferError, PriceGuards
from rapport_campaign.domain.pricing import PriceList, require_possible
from rapport_campaign.handlers.price_facts import objection
from rapport_campaign.store import offers as store
from rapport_campaign.store import segments
from rapport_campaign.store.offers import Head, Version
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError

MOST_CLAMPS = 50


@dataclass(frozen=True, slots=True)
class Clamp:
    """What a rule would make of a product, which guard rail changes that, and to what."""

    rule: str
    sku: str
    wanted: str
    price: str
    clamped_by: str


@dataclass(frozen=True, slots=True)
class Whole:
    """An offer with one version of it; `clamps`: the first of what guard rails change in it."""

    head: Head
    version: Version[Offer]
    clamps: list[Clamp]


async def guards_of(tx: AsyncConnection, workspace: str) -> PriceGuards:
    """The guards that hold in a workspace."""
    found = (await store.guards_of(tx, [workspace])).get(workspace)
    return USUAL if found is None else found.document


async def declare_guards(
    tx: AsyncConnection, workspace: str, guards: PriceGuards, version: int, by: tuple[str, str]
) -> None:
    """Let these hold from now on, in place of `version`; ConflictError, InvalidRequestError."""
    try:
        wanted = price_guards.checked(guards)
    except OfferError as error:
        raise invalid(error) from error
    known = await store.guards_history(tx, workspace, 1)
    newest = known[0].version if known else 0
    if newest != version or not await store.add_guards(tx, workspace, newest + 1, wanted, by):
        message = f"The guards are not at version {version} any more: look at them."
        raise ConflictError(message, details={"version": newest})


async def require(tx: AsyncConnection, workspace: str, name: str, *, lock: bool = False) -> Head:
    """An offer, archived or not; NotFoundError."""
    found = await store.find(tx, workspace, name, lock=lock) if NAME.fullmatch(name) else None
    if found is None:
        raise NotFoundError(f"There is no offer {name[:80]!r} in this workspace.")
    return found


async def whole(tx: AsyncConnection, head: Head, number: int | None = None) -> Whole:
    """An offer with a version of it, the newest if none is named; NotFoundError."""
    wanted = head.version if number is None else number
    found = await store.version(tx, head.workspace, head.name, wanted)
    if found is None:
        message = f"Offer {head.name} has no version {wanted}."
        raise NotFoundError(message, details={"version": head.version})
    prices = PriceList(found.document, await guards_of(tx, head.workspace))
    return Whole(head, found, _clamps(prices))


async def declare(
    tx: AsyncConnection,
    workspace: str,
    name: str,
    offer: Offer,
    *,
    seen: int,
    by: tuple[str, str],
) -> Head:
    """Let an offer be so from now on, in place of version `seen` (0: there is none).

    ConflictError when it is another one by now, or archived; InvalidRequestError with the place.
    """
    if not NAME.fullmatch(name):
        message = "name: a-z, 0-9, '_' and '-', beginning with a letter, such as `summer`."
        raise InvalidRequestError(message, details={"field": "name"})
    guards = await guards_of(tx, workspace)
    try:
        require_possible(PriceList(rules.checked(offer, guards), guards))
        await _require_segments(tx, workspace, offer, guards)
    except OfferError as error:
        raise invalid(error) from error
    there = await store.find(tx, workspace, name, lock=True)
    if there is not None and there.archived_at is not None:
        raise ConflictError(f"Offer {name} is archived: take another name.", details={"name": name})
    if (there.version if there else 0) != seen:
        raise _changed(name, there)
    head = Head(workspace, name, seen + 1, clock.now())
    if there is None and not await store.create(tx, head):
        raise _changed(name, await store.find(tx, workspace, name))
    if there is not None:
        await store.save(tx, head)
    await store.add_version(tx, head, offer, by)
    return head


async def archive(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take an offer away: no price is said by it, but as its `when_missing` says in messages."""
    found = await require(tx, workspace, name, lock=True)
    if found.archived_at is None:
        now = clock.now()
        await store.save(tx, replace(found, archived_at=now, changed_at=now))


async def _require_segments(
    tx: AsyncConnection, workspace: str, offer: Offer, guards: PriceGuards
) -> None:
    """OfferError for a rule by a segment that there is not, or that no price may be by."""
    reads = await segments.reads(tx, workspace, offer.segments)
    vouched = {one.segment for one in offer.vouched}
    for place, rule in enumerate(offer.rules):
        for number, segment in enumerate(rule.when.segments):
            where = f"rules.{place}.when.segments.{number}"
            if segment not in reads:
                raise OfferError(where, f"there is no segment {segment!r} in this workspace")
            why = objection(segment, reads, guards, vouched)
            if why is not None:
                raise OfferError(where, f"no price by this segment: {why}")


def _clamps(prices: PriceList) -> list[Clamp]:
    digits = prices.offer.digits
    found: list[Clamp] = []
    for rule, sku, _, made in prices.clamps():
        if len(found) == MOST_CLAMPS:
            break
        wanted, price = amount(made.wanted or 0, digits), amount(made.price, digits)
        found.append(Clamp(rule, sku, wanted, price, made.clamped_by or ""))
    return found


def _changed(name: str, there: Head | None) -> ConflictError:
    version = there.version if there else 0
    message = f"Offer {name} is at version {version}: look at it, and change that."
    return ConflictError(message, details={"version": version})


def invalid(error: OfferError) -> InvalidRequestError:
    """As an answer that names the place."""
    details: Mapping[str, str] = {"field": error.where}
    return InvalidRequestError(f"{error.where}: {error}.", details=dict(details))
