"""Prices in messages: decided when they are marked `sending`, and kept with them.

A claim reads which version each offer is at, and what that says once a process. What segments say
is asked for all people of a workspace at once, and only where rules name any.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.model import MessageKey
from rapport_campaign.domain.price_guards import USUAL
from rapport_campaign.domain.pricing import Decision, Occasion, PriceList
from rapport_campaign.domain.quoted import (
    MOST_IN_MESSAGE,
    Quoted,
    UnknownProductError,
    asked_of,
    quoted,
    view,
)
from rapport_campaign.domain.speaking import Path, place_of
from rapport_campaign.handlers.price_facts import Reading, facts_of, read, unasked
from rapport_campaign.handlers.supplying import Asking, Spoken, Supply
from rapport_campaign.store import offers as store
from rapport_campaign.store import prices
from rapport_campaign.store.offers import Head, OfferKey
from rapport_campaign.store.prices import Said
from rapport_common import clock
from rapport_common.errors import InvalidRequestError

ROOT = "offer"
MOST_KEPT = 16
MOST_LABELS = 200
OTHER = "other"
_kept: OrderedDict[tuple[str, str, int, datetime, int, datetime | None], PriceList] = OrderedDict()
"""Offers that are ready: by what is never another one, whatever database it is of."""
_labels: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True)
class Book:
    """An offer at its newest version, ready to be asked."""

    head: Head
    prices: PriceList

    @property
    def name(self) -> str:
        """As templates call it."""
        return self.head.name


@dataclass(slots=True)
class _Told:
    """What came of one message."""

    data: dict[str, Any] = field(default_factory=dict)
    said: list[Quoted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _At:
    """What all messages of a workspace are decided by."""

    reading: Reading
    barred: Mapping[OfferKey, Mapping[str, str]]
    now: datetime


async def books_of(tx: AsyncConnection, keys: Iterable[OfferKey]) -> dict[OfferKey, Book]:
    """Those of these offers that there are, archived ones among them."""
    heads = await store.heads(tx, keys)
    if not heads:
        return {}
    guards = await store.guards_of(tx, {one.workspace for one in heads.values()})
    found = {}
    for key, head in heads.items():
        own = guards.get(head.workspace)
        version, at = (own.version, own.created_at) if own else (0, None)
        place = (*key, head.version, head.changed_at, version, at)
        ready = _kept.get(place)
        if ready is None:
            said = await store.version(tx, *key, head.version)
            if said is None:
                continue
            ready = _kept[place] = PriceList(said.document, own.document if own else USUAL)
        _kept.move_to_end(place)
        found[key] = Book(head, ready)
    while len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    return found


async def supply(tx: AsyncConnection, asking: Sequence[Asking]) -> Supply:
    """The prices that messages name, and which of them have to fail; those that go are kept."""
    now = clock.now()
    keys = {(one.workspace, path[0]) for one in asking for path in one.paths if path}
    books = await books_of(tx, keys)
    readings = await _readings(tx, asking, books, now)
    barred = {
        key: unasked(book.prices.offer, book.prices.guards, readings[key[0]])
        for key, book in books.items()
    }
    data: dict[MessageKey, Any] = {}
    lacking: dict[MessageKey, str] = {}
    said: list[Said] = []
    for one in asking:
        try:
            told = _told(one, books, _At(readings.get(one.workspace, Reading()), barred, now))
        except UnknownProductError as error:
            lacking[one.key] = str(error)
            continue
        data[one.key] = told.data
        if one.kept and told.said:
            said.append(Said(one.key, one.person.profile_id if one.person else "", told.said))
    await prices.keep(tx, said, now)
    return Supply(data, lacking)


async def check(tx: AsyncConnection, workspace: str, spoken: Sequence[Spoken]) -> None:
    """InvalidRequestError for an offer, a product or a field of one that there is not."""
    named = {one.mention.path[0] for one in spoken if one.mention.path}
    books = await books_of(tx, {(workspace, name) for name in named if "\0" not in name})
    named_prices: set[tuple[str, str]] = set()
    for one in spoken:
        name, rest = (*one.mention.path[:1], "")[0], one.mention.path[1:]
        book = books.get((workspace, name))
        if book is None or book.head.archived_at is not None:
            what = f'there is no offer "{name[:80]}", or no more' if name else "name an offer"
            raise _wrong(one, what)
        try:
            named_prices |= {(name, sku) for sku in asked_of([rest], book.prices.lines, name)}
        except UnknownProductError as error:
            raise _wrong(one, str(error)) from error
        if len(named_prices) > MOST_IN_MESSAGE:
            raise _wrong(one, f"more than {MOST_IN_MESSAGE} prices are named: show fewer")


async def _readings(
    tx: AsyncConnection, asking: Sequence[Asking], books: Mapping[OfferKey, Book], at: datetime
) -> dict[str, Reading]:
    """What is to be known of segments, by workspace."""
    persons: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for one in asking:
        if one.person is not None:
            persons[one.workspace][one.person.profile_id] = one.person
    of_workspace: defaultdict[str, list[Any]] = defaultdict(list)
    for (workspace, _), book in books.items():
        of_workspace[workspace].append(book.prices.offer)
    return {
        workspace: await read(tx, workspace, offers, persons[workspace], at)
        for workspace, offers in of_workspace.items()
    }


def _told(one: Asking, books: Mapping[OfferKey, Book], at: _At) -> _Told:
    """What a message says of each offer; UnknownProductError: why it can't."""
    told = _Told()
    for name, paths in _by_name(one.paths).items():
        book = books.get((one.workspace, name))
        if book is None:
            # No variable, or it would have been refused: nothing that looks like one in a text.
            continue
        made = _decided(book, asked_of(paths, book.prices.lines, name), one, at)
        told.data[name] = view(book.prices, made)
        if one.kept:
            count(book, made)
        told.said += [quoted(name, book.head.version, book.prices, each) for each in made]
    if len(told.said) > MOST_IN_MESSAGE:
        raise UnknownProductError(f"it names more than {MOST_IN_MESSAGE} prices")
    return told


def _decided(book: Book, skus: Sequence[str], one: Asking, at: _At) -> list[Decision]:
    """The prices of an offer for a message; UnknownProductError for one that is archived."""
    offer = book.prices.offer
    if book.head.archived_at is not None:
        if offer.when_missing == "fail":
            raise UnknownProductError(f'offer "{book.name}" is archived')
        return [book.prices.listed(sku) for sku in skus]
    facts = facts_of(one.person, book.prices.guards, at.reading)
    barred = at.barred[one.workspace, book.name]
    occasion = Occasion(facts, one.channel, at.now, barred)
    return [book.prices.price(sku, occasion) for sku in skus]


def count(book: Book, made: Sequence[Decision]) -> None:
    """Count prices that are said; only so many offers and rules have a label of their own."""
    for one in made:
        label = (book.name, one.rule or "")
        if label not in _labels and len(_labels) >= MOST_LABELS:
            label = (OTHER, OTHER)
        _labels.add(label)
        metrics.OFFER_PRICES.labels(*label).inc()
        if one.clamped_by is not None:
            metrics.OFFER_CLAMPS.labels(*label).inc()


def _by_name(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(paths):
        if path:
            found[path[0]].append(path[1:])
    return found


def _wrong(one: Spoken, what: str) -> InvalidRequestError:
    place = place_of(one.source, one.mention.index)
    message = f"{one.field}, line {place['line']}, column {place['column']}: {what}"
    problem = {"path": one.field, **place, "variable": ROOT, "message": message}
    return InvalidRequestError(message, details={"problems": [problem]})
