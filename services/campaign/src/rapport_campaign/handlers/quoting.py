"""Prices for who asks for them: tills, shops, and customers who want to know why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Person
from rapport_campaign.domain.pricing import Decision, Occasion, PriceFacts
from rapport_campaign.domain.quoted import Quoted, quoted
from rapport_campaign.handlers import offers
from rapport_campaign.handlers.price_facts import Reading, facts_of, read, unasked
from rapport_campaign.handlers.pricing import Book, books_of, count
from rapport_campaign.store import ledger, people, prices, segments
from rapport_campaign.store.prices import Quote
from rapport_campaign.store.privacy import PRIVACY
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: for a person, or for who has these facts; of which products, `at` when.

    `kept`: the answer is.
    """

    profile_id: str | None
    facts: PriceFacts
    skus: Sequence[str]
    channel: str
    at: datetime
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Priced:
    """A price, and the rules that did not hold, each with the reason."""

    price: Quoted
    passed: Mapping[str, str] = field(default_factory=dict)


async def ask(tx: AsyncConnection, workspace: str, name: str, asked: Question) -> list[Priced]:
    """The prices of an offer; NotFoundError for no offer or person, InvalidRequestError for no
    product, ConflictError for an archived offer.
    """
    await offers.require(tx, workspace, name)
    book = (await books_of(tx, [(workspace, name)]))[workspace, name]
    if book.head.archived_at is not None:
        raise ConflictError(f"Offer {name} is archived: no price is said by it.")
    facts, reading = await _facts(tx, book, asked)
    offer, guards = book.prices.offer, book.prices.guards
    occasion = Occasion(facts, asked.channel, asked.at, unasked(offer, guards, reading))
    made = [_price(book, sku, occasion) for sku in asked.skus]
    count(book, made)
    return [
        Priced(quoted(name, book.head.version, book.prices, one), dict(one.passed)) for one in made
    ]


async def keep(
    tx: AsyncConnection,
    workspace: str,
    quote_id: str,
    asked: Question,
    found: Sequence[Priced],
    *,
    by: str,
) -> Quote:
    """Keep an answer, to be asked for later."""
    kept = Quote(
        workspace,
        quote_id,
        found[0].price.offer,
        asked.profile_id,
        asked.channel,
        asked.at,
        [one.price for one in found],
        by,
        clock.now(),
    )
    await prices.add_quote(tx, kept)
    return kept


async def kept(tx: AsyncConnection, workspace: str, name: str, quote_id: str) -> Quote:
    """An answer that was kept; NotFoundError."""
    await offers.require(tx, workspace, name)
    found = await prices.quote(tx, workspace, name, quote_id)
    if found is None:
        raise NotFoundError(f"Offer {name} has no quote {quote_id}, or no more.")
    return found


async def in_message(
    tx: AsyncConnection, workspace: str, send_key: str
) -> tuple[Any, datetime | None, list[Quoted]]:
    """The prices that a message names, when they were said, and the message; NotFoundError."""
    row = await ledger.find(tx, workspace, send_key) if "\0" not in send_key else None
    if row is None:
        raise NotFoundError(f"There is no message {send_key[:80]!r} in workspace {workspace}.")
    found = await prices.of_message(tx, workspace, send_key)
    return row, *(found or (None, []))


def _price(book: Book, sku: str, occasion: Occasion) -> Decision:
    try:
        return book.prices.price(sku, occasion)
    except KeyError as error:
        message = f"skus: offer {book.name} has no product {sku[:80]!r}."
        raise InvalidRequestError(message, details={"path": "skus", "sku": sku[:80]}) from error


async def _facts(tx: AsyncConnection, book: Book, asked: Question) -> tuple[PriceFacts, Reading]:
    """Those of a person as they are known, or those that are told, as far as rules may read."""
    offer, workspace = book.prices.offer, book.head.workspace
    if asked.profile_id is None:
        _require_declared(book, asked.facts)
        return asked.facts, Reading(await segments.reads(tx, workspace, offer.segments))
    person = await _person(tx, workspace, asked.profile_id, lock=asked.kept)
    # Who they are is as of now, whenever they buy.
    reading = await read(tx, workspace, [offer], {person.profile_id: person}, clock.now())
    return facts_of(person, book.prices.guards, reading), reading


async def _person(tx: AsyncConnection, workspace: str, profile_id: str, *, lock: bool) -> Person:
    """Who it is by now; with `lock` nobody forgets them before the commit."""
    key = (workspace, profile_id)
    now_id = (await people.resolve(tx, [key]))[key]
    target = (workspace, now_id)
    found = (await people.load(tx, {key, target}, lock=lock)).get(target)
    if found is None or found.state is None or await PRIVACY.erased(tx, {key, target}):
        message = f"There is no profile {profile_id[:80]} in workspace {workspace}, or no more."
        raise NotFoundError(message)
    return found


def _require_declared(book: Book, facts: PriceFacts) -> None:
    """Nothing is taken that rules may not read: who asks is told rather than passed over."""
    strange = sorted(facts.traits.keys() - set(book.prices.guards.traits))
    if strange:
        message = (
            f"facts.traits: rules may not read {strange[0][:80]!r}; the price guards name what "
            "they may."
        )
        raise InvalidRequestError(message, details={"path": "facts.traits", "traits": strange[:20]})
