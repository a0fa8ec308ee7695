"""How often, when and whom a workspace writes to, beside what people allow: its rules as data."""

from collections.abc import Mapping

import msgspec

from rapport_campaign.domain import caps as cap_rules
from rapport_campaign.domain import quiet_hours
from rapport_campaign.domain.caps import Cap
from rapport_campaign.domain.model import State
from rapport_campaign.domain.quiet_hours import Quiet
from rapport_campaign.domain.zones import UTC_NAME
from rapport_common.zones import ADVICE, zones

MAX_DAYS = 366
MAX_NAME = 64
DETRACTOR = 6
"""The highest answer to "how likely would you recommend us?" that counts as a detractor's."""


class ContactRulesError(ValueError):
    """Rules that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Detractors(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets no promotions for a while, by a computed trait that has their last answer.

    Its window says for how long: outside it the trait has no value, and nobody is held back.
    """

    computed: str
    at_most: int = DETRACTOR


class ContactRules(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the rules of a workspace.

    `timezone` is for who has none themselves. `once_per_address_days`: for so long an address that
    several people share gets a campaign from one of them only; 0: from each.
    """

    timezone: str = UTC_NAME
    quiet_hours: Quiet = ()
    caps: tuple[Cap, ...] = ()
    once_per_address_days: int = MAX_DAYS
    detractors: Detractors | None = None


USUAL = ContactRules()
"""Of a workspace that has declared none."""


def checked(rules: ContactRules) -> ContactRules:
    """The rules, words in normal form; ContactRulesError says what can't be."""
    if rules.timezone not in zones():
        raise ContactRulesError("timezone", ADVICE)
    if not 0 <= rules.once_per_address_days <= MAX_DAYS:
        raise ContactRulesError("once_per_address_days", f"0 to {MAX_DAYS}")
    if rules.detractors is not None:
        _require_detractors(rules.detractors)
    return msgspec.structs.replace(
        rules, quiet_hours=_checked_windows(rules.quiet_hours), caps=_checked_caps(rules.caps)
    )


def _checked_windows(windows: Quiet) -> Quiet:
    try:
        return quiet_hours.checked(windows)
    except quiet_hours.WindowsError as error:
        where = "quiet_hours" + error.where.removeprefix("windows")
        raise ContactRulesError(where, str(error)) from error


def _checked_caps(caps: tuple[Cap, ...]) -> tuple[Cap, ...]:
    try:
        return cap_rules.checked(caps)
    except cap_rules.CapsError as error:
        raise ContactRulesError(error.where, str(error)) from error


def _require_detractors(wanted: Detractors) -> None:
    if not wanted.computed.isprintable() or not 0 < len(wanted.computed) <= MAX_NAME:
        raise ContactRulesError("detractors.computed", "the name of a computed trait")
    if not 0 <= wanted.at_most <= len(range(10)):
        raise ContactRulesError("detractors.at_most", "0 to 10")


def detractor_answer(rules: ContactRules, state: State) -> tuple[str, str] | None:
    """The computed trait, and the answer, because of which somebody gets no promotions."""
    wanted, defined = rules.detractors, state.computed.defined
    if wanted is None or not isinstance(defined, Mapping) or wanted.computed not in defined:
        return None
    number = defined[wanted.computed].number
    if number is None or float(number) > wanted.at_most:
        return None
    return wanted.computed, number
