"""What somebody pays for a product by an offer, by which rule, and why: a pure function.

All amounts are whole smallest units of the offer's currency. A list price is always within its
guard rails, so there is always a price; rails win over every rule.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from rapport_campaign.domain.minor_units import (
    WHOLE,
    amount,
    part,
    part_down,
    part_up,
    share,
    units,
)
from rapport_campaign.domain.offers import Offer, Product, Rule, When, instant
from rapport_campaign.domain.price_guards import OfferError, PriceGuards, Rails
from rapport_campaign.domain.quiet_hours import is_quiet
from rapport_common.zones import zones

LIST_PRICE = "list price"
MISSING = "missing"
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """What rules may ask of somebody. Who has none gets only what rules give to everybody."""

    segments: frozenset[str] = frozenset()
    tier: str | None = None
    city_tier: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)


NOBODY = PriceFacts()


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who buys, by which channel and when; `barred`: rules that are not asked, with the reason.

    `verdicts`: what was found of rules, which is the same for each product.
    """

    facts: PriceFacts
    channel: str
    at: datetime
    barred: Mapping[str, str] = field(default_factory=dict)
    verdicts: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Within which a price is, and by which guard rail on either side."""

    low: int
    high: int
    low_by: str
    high_by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A price, and how it came about.

    `rule` None: the list price. `clamped_by`: the guard rail that has kept it from `wanted`.
    `until`: when the rule ends, if it does. `passed`: rules that did not hold, and why.
    """

    sku: str
    price: int
    list_price: int
    rule: str | None = None
    wanted: int | None = None
    clamped_by: str | None = None
    until: datetime | None = None
    passed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    product: Product
    listed: int
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class _Term:
    """A rule made ready: its instants, what it makes of a list price, and traits to look up."""

    rule: Rule
    since: datetime | None
    until: datetime | None
    price: Callable[[int], int]
    traits: tuple[tuple[str, frozenset[tuple[str, Any]]], ...]


class PriceList:
    """An offer made ready: prices as numbers, rails of both worked out, times as instants."""

    def __init__(self, offer: Offer, guards: PriceGuards) -> None:
        self.offer = offer
        self.guards = guards
        self.zone: tzinfo = zones().get(offer.timezone, zones()["UTC"])
        self.lines = {one.sku: _line(one, offer, guards) for one in offer.products}
        self._terms = [_term(rule, offer, self.zone) for rule in offer.rules]
        self._fits: dict[str, list[_Term]] = {}

    def price(self, sku: str, occasion: Occasion) -> Decision:
        """What somebody pays for a product on an occasion; KeyError for no product."""
        line = self.lines[sku]
        found: list[Decision] = []
        passed: list[tuple[str, str]] = []
        for term in self._terms_of(line.product):
            name = term.rule.id
            if name not in occasion.verdicts:
                occasion.verdicts[name] = self._why_not(term, occasion)
            why = occasion.verdicts[name]
            if why is not None:
                passed.append((term.rule.id, why))
                continue
            found.append(_made(term, line))
            if self.offer.choose == "first":
                break
        told = tuple(passed[:MOST_TOLD])
        if not found:
            return Decision(sku, line.listed, line.listed, passed=told)
        # Of equal ones that whose name comes first: so the order of the rules says nothing.
        best = min(found, key=lambda one: (one.price, one.rule or ""))
        worse = [(one.rule or "", "another one is better") for one in found if one is not best]
        told = tuple((*passed, *worse)[:MOST_TOLD])
        return Decision(
            sku,
            best.price,
            best.list_price,
            best.rule,
            best.wanted,
            best.clamped_by,
            best.until,
            told,
        )

    def listed(self, sku: str) -> Decision:
        """The list price of a product, whatever rules say; KeyError."""
        line = self.lines[sku]
        return Decision(sku, line.listed, line.listed)

    def rule(self, rule_id: str) -> Rule:
        """A rule by its id."""
        return next(one for one in self.offer.rules if one.id == rule_id)

    def clamps(self) -> Iterator[tuple[str, str, int, Decision]]:
        """Each (rule, product) whose price a guard rail changes, with the rule's place."""
        for place, term in enumerate(self._terms):
            for line in self.lines.values():
                if _is_for(term.rule, line.product):
                    made = _made(term, line)
                    if made.clamped_by is not None:
                        yield term.rule.id, line.product.sku, place, made

    def _terms_of(self, product: Product) -> list[_Term]:
        known = self._fits.get(product.sku)
        if known is None:
            known = [term for term in self._terms if _is_for(term.rule, product)]
            self._fits[product.sku] = known
        return known

    def _why_not(self, term: _Term, occasion: Occasion) -> str | None:
        """Why a rule does not hold; None: it does."""
        at = occasion.at
        if (why := occasion.barred.get(term.rule.id)) is not None:
            return why
        if term.since is not None and at < term.since:
            return f"it begins on {told_time(term.since)}"
        if term.until is not None and at >= term.until:
            return f"it ended on {told_time(term.until)}"
        when = term.rule.when
        if when.hours and not is_quiet(at, self.zone, when.hours):
            return "it is not its day or hour"
        return _why_not_theirs(term, occasion.facts, occasion.channel)


def require_possible(prices: PriceList) -> None:
    """OfferError for a rule that guard rails keep from its price whatever product it is for."""
    for place, rule in enumerate(prices.offer.rules):
        lines = [one for one in prices.lines.values() if _is_for(rule, one.product)]
        made = [_made(_term(rule, prices.offer, prices.zone), one) for one in lines]
        if made and all(one.clamped_by is not None for one in made):
            [first, *_] = made
            digits, currency = prices.offer.digits, prices.offer.currency
            message = (
                f"guard rails never let it be: {first.sku} would cost "
                f"{amount(first.wanted or 0, digits)} {currency}, and {first.clamped_by} makes it "
                f"{amount(first.price, digits)}"
            )
            raise OfferError(f"rules.{place}.then", message)


def _line(product: Product, offer: Offer, guards: PriceGuards) -> _Line:
    digits = offer.digits
    listed = units(product.price, digits) or 0
    lows = [(units(product.floor or "0", digits) or 0, "the product's floor")]
    highs = (
        []
        if product.ceiling is None
        else [(units(product.ceiling, digits) or listed, "the product's ceiling")]
    )
    for whose, rails in (("the offer's", offer.rails), ("the workspace's", guards.rails)):
        lows += _lows(whose, rails, listed, offer)
        most = part_down(listed, share(rails.ceiling_percent) or WHOLE)
        highs.append((most, f"{whose} ceiling_percent {rails.ceiling_percent}"))
    low, low_by = max(lows, key=lambda one: one[0])
    high, high_by = min(highs, key=lambda one: one[0])
    return _Line(product, listed, Bounds(min(low, listed), max(high, listed), low_by, high_by))


def _lows(whose: str, rails: Rails, listed: int, offer: Offer) -> Iterator[tuple[int, str]]:
    floor = share(rails.floor_percent) or 0
    yield part_up(listed, floor), f"{whose} floor_percent {rails.floor_percent}"
    most = rails.max_off.get(offer.currency)
    if most is not None:
        off = units(most, offer.digits) or 0
        yield listed - off, f"{whose} max_off {most} {offer.currency}"


def _term(rule: Rule, offer: Offer, zone: tzinfo) -> _Term:
    when = rule.when
    since = None if when.since is None else instant(when.since, zone)
    until = None if when.until is None else instant(when.until, zone, is_end=True)
    traits = tuple(
        (one.trait, frozenset(_kind(value) for value in one.any_of)) for one in when.traits
    )
    return _Term(rule, since, until, _price_by(rule, offer.digits), traits)


def _price_by(rule: Rule, digits: int) -> Callable[[int], int]:
    then = rule.then
    if then.percent_off is not None:
        left = WHOLE - (share(then.percent_off) or 0)
        return lambda listed: part(listed, left)
    if then.amount_off is not None:
        off = units(then.amount_off, digits) or 0
        return lambda listed: listed - off
    fixed = units(then.price or "", digits) or 0
    return lambda _listed: fixed


def _made(term: _Term, line: _Line) -> Decision:
    wanted = term.price(line.listed)
    bounds = line.bounds
    price = min(max(wanted, bounds.low), bounds.high)
    clamped = None
    if price != wanted:
        clamped = bounds.low_by if wanted < bounds.low else bounds.high_by
    return Decision(line.product.sku, price, line.listed, term.rule.id, wanted, clamped, term.until)


def _is_for(rule: Rule, product: Product) -> bool:
    if not rule.skus and not rule.categories:
        return True
    return product.sku in rule.skus or not set(rule.categories).isdisjoint(product.categories)


def _why_not_theirs(term: _Term, facts: PriceFacts, channel: str) -> str | None:
    when = term.rule.when
    if when.channels and channel not in when.channels:
        return f"it is not for {channel or 'no channel'}"
    if when.tiers and facts.tier not in when.tiers:
        return "another loyalty tier" if facts.tier else "no loyalty tier is known"
    if when.city_tiers and facts.city_tier not in when.city_tiers:
        return "another city tier" if facts.city_tier else "no city tier is known"
    if when.segments and facts.segments.isdisjoint(when.segments):
        return "not in the segment"
    for name, values in term.traits:
        found = facts.traits.get(name)
        if not any(_kind(one) in values for one in _each(found)):
            return f"another {name}" if found is not None else f"no {name} is known"
    return None


def _each(found: Any) -> list[Any]:
    """A trait with several values is each of them."""
    return found if isinstance(found, list) else [found]


def _kind(value: Any) -> tuple[str, Any]:
    """What is equal and of one kind: true is not 1, and "1" is neither; 1 and 1.0 are the same."""
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if isinstance(value, str) else ("none", None)


def told_time(at: datetime) -> str:
    """An instant for people who read a sentence."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def sentence(made: Decision, prices: PriceList) -> str:
    """How a price came about, in one sentence."""
    digits, currency = prices.offer.digits, prices.offer.currency
    price, listed = amount(made.price, digits), amount(made.list_price, digits)
    if made.rule is None:
        return f"{made.sku} costs its list price, {price} {currency}: no rule holds."
    rule = prices.rule(made.rule)
    held = _held(rule.when, made.until)
    told = (
        f"{made.sku} costs {price} {currency} (list price {listed}): rule \u201c{made.rule}\u201d, "
    )
    told += f"{_gives(rule, currency)}, holds {held}"
    if made.clamped_by is not None:
        wanted = amount(made.wanted or 0, digits)
        told += f"; it would be {wanted}, but for {made.clamped_by}"
    return f"{told}."


def _gives(rule: Rule, currency: str) -> str:
    then = rule.then
    if then.percent_off is not None:
        return f"{then.percent_off} % off"
    if then.amount_off is not None:
        return f"{then.amount_off} {currency} off"
    return f"{then.price} {currency}"


def _held(when: When, until: datetime | None) -> str:
    asked = [
        f"{what} {' or '.join(values[:3])}{' …' if len(values) > 3 else ''}"  # noqa: PLR2004 - what a sentence can bear
        for what, values in (
            ("loyalty tier", when.tiers),
            ("city tier", when.city_tiers),
            ("channel", when.channels),
            ("segment", when.segments),
        )
        if values
    ]
    asked += [
        f"{one.trait} {' or '.join(str(each) for each in one.any_of[:3])}" for one in when.traits
    ]
    if when.hours:
        asked.append("its days and hours")
    ends = "" if until is None else f", until {told_time(until)}"
    return f"for {', '.join(asked) or 'everybody'}{ends}"
