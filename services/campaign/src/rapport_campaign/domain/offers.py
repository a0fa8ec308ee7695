"""Offers: list prices, and the rules by which somebody pays another price, as data."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

import msgspec

from rapport_campaign.domain import quiet_hours
from rapport_campaign.domain.minor_units import WHOLE, digits_of, share, units
from rapport_campaign.domain.price_guards import (
    HUNDRED,
    OfferError,
    PriceGuards,
    Rails,
    amount_advice,
    check_rails,
    protected_by,
    refusal,
)
from rapport_campaign.domain.quiet_hours import Quiet
from rapport_common.zones import ADVICE, zones

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
SKU = re.compile(r"[\w.:/+-]{1,64}")
MOST_PRODUCTS = 2000
MOST_RULES = 100
MOST_VALUES = 200
MAX_TEXT = 200
MAX_WORD = 64

Choose = Literal["first", "best"]
WhenMissing = Literal["fail", "list_price"]
Value = str | int | float | bool


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the price list; never below `floor`, never above `ceiling` (amounts)."""

    sku: str
    price: str
    name: str = ""
    categories: tuple[str, ...] = ()
    floor: str | None = None
    ceiling: str | None = None


class TraitIs(msgspec.Struct, frozen=True, kw_only=True, rename={"any_of": "in"}):
    """A trait of the workspace's declared ones that is one of these values."""

    trait: str
    any_of: tuple[Value, ...]


class When(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """All of it has to hold; of each list one. `from` and `to` are of the offer's zone.

    `to` itself is behind the end; a day without a time counts to its end. `hours` are windows of
    days and times in which the rule holds.
    """

    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    city_tiers: tuple[str, ...] = ()
    traits: tuple[TraitIs, ...] = ()
    channels: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    hours: Quiet = ()


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """One of these: a percentage or an amount off the list price, or a price in its place."""

    percent_off: str | None = None
    amount_off: str | None = None
    price: str | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Another price for whoever it is meant for: of these products and categories; of all if none
    is named.
    """

    id: str
    then: Then
    when: When = When()
    skus: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody answers for a segment of which nobody knows what it reads, with the reason."""

    segment: str
    reason: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an offer.

    Of the rules that hold the `first` makes the price, or the `best` for the customer; never two
    of them together. `when_missing`: what a message does when the offer is archived by then.
    """

    currency: str
    products: tuple[Product, ...]
    rules: tuple[Rule, ...] = ()
    timezone: str = "UTC"
    choose: Choose = "first"
    when_missing: WhenMissing = "fail"
    rails: Rails = Rails()
    vouched: tuple[Vouched, ...] = ()

    @property
    def digits(self) -> int:
        """Those of its currency behind the point."""
        return digits_of(self.currency) or 0

    @property
    def segments(self) -> list[str]:
        """The segments that its rules name."""
        return sorted({segment for rule in self.rules for segment in rule.when.segments})


def checked(offer: Offer, guards: PriceGuards) -> Offer:
    """The offer, if it can be by itself; OfferError says where it can't."""
    digits = digits_of(offer.currency)
    if digits is None:
        raise OfferError("currency", f"'{offer.currency[:8]}' is no code of ISO 4217, such as EUR")
    if offer.timezone not in zones():
        raise OfferError("timezone", ADVICE)
    check_rails("rails", offer.rails)
    if any(currency != offer.currency for currency in offer.rails.max_off):
        raise OfferError("rails.max_off", f"this offer is in {offer.currency} alone")
    if not 0 < len(offer.products) <= MOST_PRODUCTS:
        message = f"1 to {MOST_PRODUCTS} products: make several offers of more, by category"
        raise OfferError("products", message)
    _check_products(offer, digits)
    if len(offer.rules) > MOST_RULES:
        raise OfferError("rules", f"at most {MOST_RULES}: let one rule speak of several tiers")
    _check_rules(offer, digits, guards)
    for place, one in enumerate(offer.vouched):
        if not one.reason.strip():
            raise OfferError(f"vouched.{place}.reason", "why it reads nothing that is protected")
    return offer


def _check_products(offer: Offer, digits: int) -> None:
    seen: set[str] = set()
    for place, one in enumerate(offer.products):
        where = f"products.{place}"
        if not SKU.fullmatch(one.sku):
            raise OfferError(f"{where}.sku", "1 to 64 letters, digits and . : / + - _")
        if one.sku in seen:
            raise OfferError(f"{where}.sku", f"'{one.sku}' is there already")
        seen.add(one.sku)
        if one.name and not (one.name.isprintable() and len(one.name) <= MAX_TEXT):
            raise OfferError(f"{where}.name", f"one line of at most {MAX_TEXT} characters")
        if len(one.categories) > MOST_VALUES or not all(map(_is_word, one.categories)):
            raise OfferError(f"{where}.categories", f"words of at most {MAX_WORD} characters")
        _check_amounts(where, one, offer.currency, digits)


def _check_amounts(where: str, one: Product, currency: str, digits: int) -> None:
    listed = _units(f"{where}.price", one.price, currency, digits)
    floor = _units(f"{where}.floor", one.floor or "0", currency, digits)
    if floor > listed:
        raise OfferError(f"{where}.floor", "at most the list price")
    ceiling = _units(f"{where}.ceiling", one.ceiling or one.price, currency, digits)
    if ceiling < listed:
        raise OfferError(f"{where}.ceiling", "at least the list price")


def _check_rules(offer: Offer, digits: int, guards: PriceGuards) -> None:
    seen: set[str] = set()
    skus = {one.sku for one in offer.products}
    categories = {name for one in offer.products for name in one.categories}
    for place, rule in enumerate(offer.rules):
        where = f"rules.{place}"
        if not _is_word(rule.id):
            raise OfferError(f"{where}.id", f"a name of at most {MAX_WORD} characters")
        if rule.id in seen:
            raise OfferError(f"{where}.id", f"'{rule.id}' is there already")
        seen.add(rule.id)
        _check_then(f"{where}.then", rule.then, offer.currency, digits)
        for number, sku in enumerate(rule.skus):
            if sku not in skus:
                raise OfferError(
                    f"{where}.skus.{number}", f"there is no product '{sku[:MAX_WORD]}'"
                )
        for number, name in enumerate(rule.categories):
            if name not in categories:
                message = f"no product is of '{name[:MAX_WORD]}'"
                raise OfferError(f"{where}.categories.{number}", message)
        _check_when(f"{where}.when", rule.when, offer, guards)


def _check_then(where: str, then: Then, currency: str, digits: int) -> None:
    given = [name for name in then.__struct_fields__ if getattr(then, name) is not None]
    if len(given) != 1:
        raise OfferError(where, "one of percent_off, amount_off and price")
    if then.percent_off is not None:
        off = share(then.percent_off)
        if off is None or not 0 < off <= WHOLE:
            raise OfferError(f"{where}.percent_off", f"a percentage above 0, to {HUNDRED}")
        return
    value = _units(f"{where}.{given[0]}", then.amount_off or then.price or "", currency, digits)
    if then.amount_off is not None and value == 0:
        raise OfferError(f"{where}.amount_off", "more than nothing")


def _check_when(where: str, when: When, offer: Offer, guards: PriceGuards) -> None:
    for name in ("segments", "tiers", "city_tiers", "channels"):
        if len(values := getattr(when, name)) > MOST_VALUES or not all(map(_is_word, values)):
            raise OfferError(f"{where}.{name}", f"at most {MOST_VALUES} words of {MAX_WORD}")
    for place, one in enumerate(when.traits):
        _check_trait(f"{where}.traits.{place}", one, guards)
    zone = zones()[offer.timezone]
    since = None if when.since is None else _instant(f"{where}.from", when.since, zone)
    until = None if when.until is None else _instant(f"{where}.to", when.until, zone, is_end=True)
    if since is not None and until is not None and since >= until:
        raise OfferError(f"{where}.to", "later than `from`")
    try:
        quiet_hours.checked(when.hours)
    except quiet_hours.WindowsError as error:
        message = "for all of the week, leave it out" if "leave some" in str(error) else str(error)
        raise OfferError(f"{where}.hours{error.where.removeprefix('windows')}", message) from error


def _check_trait(where: str, one: TraitIs, guards: PriceGuards) -> None:
    if (about := protected_by(guards).reads(one.trait)) is not None:
        raise OfferError(f"{where}.trait", refusal(one.trait, about))
    if one.trait not in guards.traits:
        message = (
            f"'{one.trait[:MAX_WORD]}' is not among the traits that rules may read: declare it in "
            "`traits` of the price guards"
        )
        raise OfferError(f"{where}.trait", message)
    if not 0 < len(one.any_of) <= MOST_VALUES:
        raise OfferError(f"{where}.in", f"1 to {MOST_VALUES} values")
    if any(isinstance(value, str) and len(value) > MAX_TEXT for value in one.any_of):
        raise OfferError(f"{where}.in", f"values of at most {MAX_TEXT} characters")


def _units(where: str, text: str, currency: str, digits: int) -> int:
    found = units(text, digits)
    if found is None:
        raise OfferError(where, amount_advice(currency, digits))
    return found


def _is_word(text: str) -> bool:
    return 0 < len(text) <= MAX_WORD and text.isprintable() and bool(text.strip())


def _instant(where: str, text: str, zone: tzinfo, *, is_end: bool = False) -> datetime:
    try:
        return instant(text, zone, is_end=is_end)
    except (ValueError, OverflowError) as error:
        message = "a time such as 2026-12-24T18:00 in the offer's zone, with an offset, or a day"
        raise OfferError(where, message) from error


def instant(text: str, zone: tzinfo, *, is_end: bool = False) -> datetime:
    """A beginning, or an end, in UTC; ValueError for what is no time.

    Without an offset it is what the clock on the wall shows. A time that clocks skip is as much
    later as they jump, one that comes twice is the first of both, and at an end the second.
    """
    if len(text) == len("2026-12-24"):
        day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone, fold=1 if is_end else 0)
        if found.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != found.replace(
            tzinfo=None
        ):
            # Skipped: it is as much later, whichever end it is.
            found = found.replace(fold=0)
    return found.astimezone(UTC)
