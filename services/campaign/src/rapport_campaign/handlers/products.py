"""What events say of products is kept, and what operators say of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.product_events import ProductEvent, read, speaks_of_products
from rapport_campaign.domain.products import Product, Told, news_in
from rapport_campaign.store import product_events, products
from rapport_campaign.store.people import FOLLOWER
from rapport_common import clock
from rapport_common.errors import NotFoundError
from rapport_common.follower.domain import Held
from rapport_common.kafka.batch import Record

EVENTS_KEPT = timedelta(days=100)
"""Longer than the longest window; what happened before counts for nothing any more."""


async def take_in(tx: AsyncConnection, batch: Sequence[Record], key: bytes) -> None:
    """Keep what records of `profile.activity` say of products; once, however often they come.

    `key`: identifiers stand under it in wishes to be forgotten. Nothing is asked for a batch that
    speaks of no product.
    """
    speaking = [one.value for one in batch if speaks_of_products(one.value)]
    if not speaking:
        return
    now = clock.now()
    # Of who is to be forgotten, and whose wish was read first, nothing is kept.
    held = await FOLLOWER.store.shared(tx, {(one.workspace, one.profile_id) for one in speaking})
    kept: list[ProductEvent] = []
    told: list[Told] = []
    for record in speaking:
        known = held.get((record.workspace, record.profile_id))
        if known is not None and _is_gone(known, record.version):
            continue
        event, of_products = read(record, record.event, key, now - EVENTS_KEPT)
        kept += [event] if event is not None else []
        told += of_products
    await _tell(tx, told)
    saved = await product_events.save(tx, kept)
    for one in saved:
        metrics.PRODUCT_EVENTS.labels(one.kind).inc()
    sold = {one.workspace for one in saved if one.kind != "viewed"}
    await product_events.poke(tx, sorted(sold), now)


def _is_gone(held: Held, version: int) -> bool:
    return not held.lives and held.heir is None and held.ended >= version


async def _tell(tx: AsyncConnection, told: Iterable[Told]) -> None:
    """Note what is news; of several in one batch the newest of each field."""
    together: dict[tuple[str, str], Told] = {}
    for one in told:
        place = (one.workspace, one.sku)
        before = together.get(place)
        together[place] = one if before is None else _joined(before, one)
    if not together:
        return
    known = await products.read(tx, together)
    news = [found for place, one in together.items() if (found := news_in(one, known.get(place)))]
    await products.tell(tx, news, clock.now())


def _joined(one: Told, other: Told) -> Told:
    fields = dict(one.fields)
    for name, value in other.fields.items():
        mine = fields.get(name)
        if mine is None or (value.at, value.text or "") > (mine.at, mine.text or ""):
            fields[name] = value
    return Told(one.workspace, one.sku, fields)


async def put(
    tx: AsyncConnection,
    workspace: str,
    told: Sequence[Told],
    marks: Mapping[str, tuple[bool | None, bool | None]],
) -> None:
    """Let products be so, as of now: who is told of them later is believed again.

    `marks`: by sku whether they are in stock, and blocked. Those that are `told` are sold again.
    """
    await products.tell(tx, told, clock.now())
    await products.mark(tx, workspace, marks, again=bool(told))
    await product_events.poke(tx, [workspace], clock.now())


async def require(tx: AsyncConnection, workspace: str, sku: str) -> Product:
    """A product, archived ones too; NotFoundError."""
    found = (await products.read(tx, [(workspace, sku)])).get((workspace, sku))
    if found is None:
        raise NotFoundError(f"There is no product {sku[:128]!r} in this workspace.")
    return found


async def archive(tx: AsyncConnection, workspace: str, sku: str) -> None:
    """Let a product be recommended no more; what was recommended stays."""
    await require(tx, workspace, sku)
    if await products.archive(tx, workspace, sku, clock.now()):
        await product_events.poke(tx, [workspace], clock.now())
