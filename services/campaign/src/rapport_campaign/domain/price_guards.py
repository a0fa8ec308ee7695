"""The guard rails of a workspace for all of its offers, and what price rules may read of people."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from rapport_campaign.domain.minor_units import WHOLE, digits_of, share, units
from rapport_campaign.domain.protected import MOST_WORDS, Protected, words_of

MOST_TRAITS = 50
MOST_CITIES = 2000
MAX_NAME = 64
HUNDRED = "100"
LIST, SEGMENT, TRAIT = "list", "segment", "trait"


class OfferError(ValueError):
    """Offers or guard rails that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Rails(msgspec.Struct, frozen=True, kw_only=True):
    """How far a price may be from its list price.

    Percentages are those of the list price: never below `floor_percent`, never above
    `ceiling_percent`. `max_off`: never less by more than this amount, by currency.
    """

    floor_percent: str = "0"
    ceiling_percent: str = HUNDRED
    max_off: dict[str, str] = {}


class PriceGuards(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the guards of a workspace.

    `traits` are all that rules may read of people's traits. `protected`: words beside those that
    are shipped; `unprotected`: names that are free all the same, with the reason. A person's tier
    is the trait `tier_trait`; their city tier `city_tier_trait`, else what `cities` says of
    `city_trait`.
    """

    rails: Rails = Rails()
    traits: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    unprotected: dict[str, str] = {}
    tier_trait: str = "loyalty_tier"
    city_tier_trait: str = "city_tier"
    city_trait: str = "city"
    cities: dict[str, str] = {}


USUAL = PriceGuards()
"""Of a workspace that has declared none."""


@lru_cache(maxsize=64)
def _protected(more: tuple[str, ...], less: tuple[str, ...]) -> Protected:
    return Protected(more, less)


def protected_by(guards: PriceGuards) -> Protected:
    """What no rule of a workspace may read."""
    return _protected(guards.protected, tuple(sorted(guards.unprotected)))


def checked(guards: PriceGuards) -> PriceGuards:
    """The guards in one form; OfferError says what can't be."""
    check_rails("rails", guards.rails)
    _require_few("traits", guards.traits, MOST_TRAITS)
    _require_few("protected", guards.protected, MOST_WORDS)
    _require_few("unprotected", guards.unprotected, MOST_WORDS)
    _require_few("cities", guards.cities, MOST_CITIES)
    for place, word in enumerate(guards.protected):
        if not words_of(word):
            raise OfferError(f"protected.{place}", "a word such as `income`")
    for name, reason in guards.unprotected.items():
        if not reason.strip():
            raise OfferError(f"unprotected.{name[:MAX_NAME]}", "the reason why it may be read")
    reads = protected_by(guards)
    for where, name in _read(guards):
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise OfferError(where, f"the name of a trait, of at most {MAX_NAME} characters")
        if (about := reads.reads(name)) is not None:
            raise OfferError(where, refusal(name, about))
    cities = {city_key(name): tier for name, tier in guards.cities.items()}
    return msgspec.structs.replace(guards, traits=tuple(sorted(set(guards.traits))), cities=cities)


def refusal(name: str, about: str) -> str:
    """Why a trait can't be read."""
    return (
        f"no price by `{name[:MAX_NAME]}`: it tells of {about}, which is protected; if it does "
        "not, say so in `unprotected` of the price guards, with the reason"
    )


def _read(guards: PriceGuards) -> Iterable[tuple[str, str]]:
    yield from ((f"traits.{place}", name) for place, name in enumerate(guards.traits))
    for field in ("tier_trait", "city_tier_trait", "city_trait"):
        yield field, getattr(guards, field)


def city_key(name: str) -> str:
    """A city's name as it is compared: without accents, capitals, blanks and hyphens."""
    return "".join(words_of(name))


def check_rails(where: str, rails: Rails) -> None:
    """OfferError for guard rails that let no list price through, or are none."""
    floor, ceiling = share(rails.floor_percent), share(rails.ceiling_percent)
    if floor is None or floor > WHOLE:
        raise OfferError(f"{where}.floor_percent", "a percentage from 0 to 100, such as 60")
    if ceiling is None or ceiling < WHOLE:
        message = "a percentage from 100 on: a list price is never too high"
        raise OfferError(f"{where}.ceiling_percent", message)
    for currency, most in rails.max_off.items():
        digits = digits_of(currency)
        if digits is None:
            raise OfferError(f"{where}.max_off", f"'{currency[:8]}' is no currency of ISO 4217")
        if units(most, digits) is None:
            raise OfferError(f"{where}.max_off.{currency}", amount_advice(currency, digits))


def amount_advice(currency: str, digits: int) -> str:
    """What an amount of a currency looks like."""
    example = "100" if not digits else f"9.{'9' * digits}"
    return f"an amount of {currency} such as {example}: {digits} digits behind the point at most"


def told_of(reads: Iterable[str], known: Mapping[str, tuple[str, ...] | None]) -> list[str] | None:
    """All that a rule of a segment reads, with what the segments read that it names.

    `known`: what each segment reads, by its id. None: of one of them nobody knows.
    """
    found: list[str] = []
    seen: set[str] = set()
    rest = list(reads)
    while rest:
        one = rest.pop()
        kind, _, name = one.partition(":")
        if kind != SEGMENT:
            found.append(one)
        elif name not in seen:
            seen.add(name)
            more = known.get(name)
            if more is None:
                return None
            rest += more
    return sorted(set(found))


def barred(reads: Iterable[str] | None, protected: Protected) -> str | None:
    """What a segment reads that is protected; None: nothing that is known of."""
    for one in reads or ():
        kind, _, name = one.partition(":")
        if kind != LIST and (about := protected.reads(name)) is not None:
            return f"`{name[:MAX_NAME]}`, which tells of {about}"
    return None


def is_opaque(reads: Iterable[str] | None) -> bool:
    """Whether nobody knows by what people are in a segment: an uploaded list says nothing."""
    return reads is None or any(one.partition(":")[0] == LIST for one in reads)


def _require_few(where: str, some: Iterable[str], most: int) -> None:
    named = list(some)
    if len(named) > most:
        raise OfferError(where, f"at most {most}")
    for one in named:
        if not 0 < len(one) <= 4 * MAX_NAME:
            raise OfferError(where, f"names of 1 to {4 * MAX_NAME} characters")
