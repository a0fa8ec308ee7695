"""Whether a declared programme can be: what is wrong is said with its place."""

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import msgspec

from rapport_common.events.money import CURRENCIES
from rapport_common.events.orders import ORDER_EVENTS
from rapport_common.events.reserved import service_of
from rapport_common.zones import UnknownZoneError, known_zone
from rapport_profile.domain.loyalty.programme import (
    Expiry,
    Level,
    Multiplier,
    Programme,
    Rule,
    Tiers,
)

MAX_RULES = 100
MAX_LEVELS = 20
MAX_BENEFITS = 8 * 1024
"""Bytes of JSON of one tier's."""
MAX_LIST = 500
MAX_TEXT = 200
MAX_POINTS = 10**9
MAX_RATE = Decimal(10**6)
MAX_MONTHS = 1200
MAX_DAYS = 36_500
MAX_DEPTH = 50
"""Of objects and lists in one another."""
_SCALE = -6
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PLACE = re.compile(r"(.*) - at `\$(.*)`$", re.DOTALL)


class ProgrammeError(ValueError):
    """A programme that can't be; `where` names the part: `rules.0.per.CNY`."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def declared(value: Any) -> Programme:
    """The programme that JSON values declare; ProgrammeError says what can't be, and where."""
    _require_storable(value)
    try:
        found = msgspec.convert(value, Programme, strict=True)
    except (msgspec.ValidationError, InvalidOperation) as error:
        said = _PLACE.fullmatch(str(error))
        text, where = (said[1], said[2]) if said else (str(error), "")
        place = re.sub(r"\[(\d+)\]", r".\1", where).replace("[...]", "").strip(".")
        raise ProgrammeError(place, text) from error
    return checked(found)


def _require_storable(value: Any) -> None:
    """What is declared has to be stored and shown again: as UTF-8, by any reader of JSON."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise ProgrammeError("", "half a surrogate pair is no character") from error
    except RecursionError as error:
        raise ProgrammeError("", "it is nested too deeply") from error
    level = [value]
    for _ in range(MAX_DEPTH):
        lists = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [each for one in lists if isinstance(one, list) for each in one]
    if level:
        raise ProgrammeError("", f"it is nested too deeply: {MAX_DEPTH} levels at most")


def checked(programme: Programme) -> Programme:
    """The programme as it is; ProgrammeError says what can't be, and where."""
    _text("name", programme.name)
    _text("points", programme.points)
    _zone(programme.zone)
    tiers = programme.tiers
    levels = [] if tiers is None else [one.id for one in tiers.levels]
    _within("pending_days", programme.pending_days, 0, MAX_DAYS)
    _within("notice_days", programme.notice_days, 0, MAX_DAYS)
    _ids("rules", [one.id for one in programme.rules])
    for number, rule in enumerate(programme.rules):
        _rule(f"rules.{number}", rule, levels)
    _ids("multipliers", [one.id for one in programme.multipliers])
    rules = [one.id for one in programme.rules]
    for number, multiplier in enumerate(programme.multipliers):
        _multiplier(f"multipliers.{number}", multiplier, levels, rules)
    if programme.expiry is not None:
        _expiry(programme.expiry, levels)
    if tiers is not None:
        _tiers(tiers)
    _several("enrolment.events", programme.enrolment.events, _event)
    return programme


def _rule(where: str, rule: Rule, levels: Sequence[str]) -> None:
    if rule.event is not None:
        _event(f"{where}.event", rule.event)
        if rule.per or rule.minimum or rule.categories or rule.products:
            message = "an event that is no order has no amount: only `fixed` points are earned"
            raise ProgrammeError(where, message)
    if not rule.per and not rule.fixed:
        raise ProgrammeError(where, "it earns nothing: give `per` or `fixed`")
    if len(rule.per) > MAX_LIST or len(rule.minimum) > MAX_LIST:
        raise ProgrammeError(where, f"there may be {MAX_LIST} currencies")
    for code, rate in rule.per.items():
        _currency(f"{where}.per.{code}", code)
        _amount(f"{where}.per.{code}", rate)
    for code, least in rule.minimum.items():
        _currency(f"{where}.minimum.{code}", code)
        _amount(f"{where}.minimum.{code}", least)
    _within(f"{where}.fixed", rule.fixed, 0, MAX_POINTS)
    if rule.cap is not None:
        _within(f"{where}.cap.points", rule.cap.points, 1, MAX_POINTS)
    _several(f"{where}.categories", rule.categories, _text)
    _several(f"{where}.products", rule.products, _text)
    _conditions(where, rule, levels)


def _multiplier(
    where: str, multiplier: Multiplier, levels: Sequence[str], rules: Sequence[str]
) -> None:
    _amount(f"{where}.factor", multiplier.factor)
    _several(f"{where}.rules", multiplier.rules, partial(_known, rules, "rule"))
    _several(f"{where}.categories", multiplier.categories, _text)
    _conditions(where, multiplier, levels)


def _conditions(where: str, one: Rule | Multiplier, levels: Sequence[str]) -> None:
    _several(f"{where}.tiers", one.tiers, partial(_known, levels, "tier"))
    if len(one.when) > MAX_LIST:
        raise ProgrammeError(f"{where}.when", f"there may be {MAX_LIST} properties")
    for name, values in one.when.items():
        _text(f"{where}.when", name)
        if not values:
            raise ProgrammeError(f"{where}.when.{name}", "no value fits: name some")
        _several(f"{where}.when.{name}", values, _text)
    for name in ("starts_at", "ends_at"):
        moment = getattr(one, name)
        if moment is not None and moment.tzinfo is None:
            raise ProgrammeError(f"{where}.{name}", "a time needs its offset: 2026-03-01T00:00:00Z")
    if one.starts_at is not None and one.ends_at is not None and one.ends_at <= one.starts_at:
        raise ProgrammeError(f"{where}.ends_at", "it ends before it starts")


def _expiry(expiry: Expiry, levels: Sequence[str]) -> None:
    _within("expiry.months", expiry.months, 0, MAX_MONTHS)
    _within("expiry.days", expiry.days, 0, MAX_DAYS)
    if expiry.months == expiry.days == 0 and expiry.end_of == "instant":
        raise ProgrammeError("expiry", "points would expire at once: give months, days or `end_of`")
    _several("expiry.spared", expiry.spared, partial(_known, levels, "tier"))


def _tiers(tiers: Tiers) -> None:
    if not 1 <= len(tiers.levels) <= MAX_LEVELS:
        raise ProgrammeError("tiers.levels", f"there may be 1 to {MAX_LEVELS} of them")
    _ids("tiers.levels", [one.id for one in tiers.levels])
    before: Level | None = None
    for number, level in enumerate(tiers.levels):
        where = f"tiers.levels.{number}"
        _amount(f"{where}.threshold", level.threshold, most=Decimal(10**15))
        if before is not None and level.threshold <= before.threshold:
            raise ProgrammeError(f"{where}.threshold", "the lowest tier stands first")
        if len(msgspec.json.encode(level.benefits)) > MAX_BENEFITS:
            raise ProgrammeError(f"{where}.benefits", f"they may have {MAX_BENEFITS:,} bytes")
        before = level
    if tiers.measure == "spend":
        if tiers.currency is None:
            raise ProgrammeError("tiers.currency", "money is counted in one currency: name it")
        _currency("tiers.currency", tiers.currency)
    _window(tiers)


def _window(tiers: Tiers) -> None:
    window = tiers.window
    _within("tiers.window.months", window.months, 0, MAX_MONTHS)
    _within("tiers.window.days", window.days, 0, MAX_DAYS)
    if window.calendar is not None and (window.months or window.days):
        raise ProgrammeError("tiers.window", "it rolls or follows the calendar, not both")
    _within("tiers.keep_months", tiers.keep_months, 0, MAX_MONTHS)
    _within("tiers.keep_periods", tiers.keep_periods, 0, MAX_MONTHS)
    _within("tiers.grace_days", tiers.grace_days, 0, MAX_DAYS)
    if tiers.keep_periods and window.calendar is None:
        raise ProgrammeError("tiers.keep_periods", "only a window by the calendar has periods")
    if tiers.keep_months and window.calendar is not None:
        raise ProgrammeError("tiers.keep_months", "by the calendar a tier is kept for periods")
    if tiers.one_step and not (tiers.keep_months or window.calendar):
        message = "a tier that is kept for no time would be lost at once: give `keep_months`"
        raise ProgrammeError("tiers.one_step", message)


def _ids(where: str, ids: Sequence[str]) -> None:
    if len(ids) > MAX_RULES:
        raise ProgrammeError(where, f"there may be {MAX_RULES} of them")
    for number, one in enumerate(ids):
        if not _ID.fullmatch(one):
            message = "an id is a-z, 0-9, '-' and '_', 63 of them at most"
            raise ProgrammeError(f"{where}.{number}.id", message)
        if one in ids[:number]:
            raise ProgrammeError(f"{where}.{number}.id", f"'{one}' stands there twice")


def _several(where: str, values: Iterable[str], check: Callable[[str, str], None]) -> None:
    for number, one in enumerate(values):
        if number >= MAX_LIST:
            raise ProgrammeError(where, f"there may be {MAX_LIST} of them")
        check(f"{where}.{number}", one)


def _known(ids: Sequence[str], what: str, where: str, one: str) -> None:
    if one not in ids:
        raise ProgrammeError(where, f"there is no {what} '{one[:63]}'")


def _text(where: str, value: str) -> None:
    if not value.strip() or len(value) > MAX_TEXT or "\0" in value:
        raise ProgrammeError(where, f"a text of 1 to {MAX_TEXT} characters, without NUL")


def _event(where: str, name: str) -> None:
    _text(where, name)
    if name in ORDER_EVENTS:
        raise ProgrammeError(where, "an order's events are read together: leave `event` out")
    if service_of(name) is not None:
        raise ProgrammeError(where, f"'{name}' is an event of the platform itself")


def _currency(where: str, code: str) -> None:
    if code not in CURRENCIES:
        raise ProgrammeError(where, f"'{code[:8]}' is no currency (ISO 4217, such as CNY)")


def _amount(where: str, value: Decimal, most: Decimal = MAX_RATE) -> None:
    if not value.is_finite() or not 0 <= value <= most:
        raise ProgrammeError(where, f"a number from 0 to {most:f}")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < _SCALE:
        raise ProgrammeError(where, "at most 6 digits behind the point")


def _within(where: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ProgrammeError(where, f"a whole number from {least} to {most:,}")


def _zone(name: str) -> None:
    try:
        known_zone(name)
    except UnknownZoneError as error:
        raise ProgrammeError("zone", str(error)) from error
