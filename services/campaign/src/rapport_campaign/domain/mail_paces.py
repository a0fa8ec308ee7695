"""How fast mails go to the mailboxes of a provider, and how many a new sender domain sends a day:
the rules of a workspace as data.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import msgspec

from rapport_campaign.domain.pacing import Warmup
from rapport_campaign.domain.sender_domains import domain_name
from rapport_campaign.domain.throttles import MAX_AT_MOST, Throttle

MOST_RULES, MOST_DOMAINS = 50, 500
MOST_AT_ONCE = 10_000
REST = "*"


class MailPacesError(ValueError):
    """Rules that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class PaceRule(msgspec.Struct, frozen=True, kw_only=True):
    """Mails to these domains together: at most so many in any window, and so many at once.

    `to` may be `*` alone: all that no rule before it is about. Without `senders` it is of mails
    from any domain. `id` names its pace: under another id it begins anew.
    """

    id: str
    to: tuple[str, ...]
    senders: tuple[str, ...] = ()
    throttle: Throttle | None = None
    at_once: int | None = None

    @property
    def lane(self) -> str:
        """Where its pace is kept."""
        return f"to:{self.id}"


class WarmupRule(msgspec.Struct, frozen=True, kw_only=True):
    """`first` mails on the day it starts (UTC), `growth` times as many each day, until `enough`."""

    sender: str
    starts_on: date
    first: int
    growth: float
    enough: int

    @property
    def lane(self) -> str:
        """Where it is kept how many went today."""
        return f"from:{self.sender}"

    @property
    def curve(self) -> Warmup:
        """How many may go on which day."""
        return Warmup(self.starts_on, self.first, self.growth, self.enough)


class SlowDown(msgspec.Struct, frozen=True, kw_only=True):
    """A pace that was too much is halved, down to `least_percent`; it doubles in `minutes`."""

    least_percent: int = 10
    minutes: int = 30


class MailPaces(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the rules of a workspace."""

    paces: tuple[PaceRule, ...] = ()
    warmups: tuple[WarmupRule, ...] = ()
    slow_down: SlowDown = SlowDown()


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What one lane holds its mails to."""

    name: str
    throttle: Throttle | None = None
    at_once: int | None = None
    warmup: Warmup | None = None
    slow_down: SlowDown = SlowDown()


def lanes(rules: MailPaces) -> dict[str, Lane]:
    """All lanes that the rules make, by name."""
    paced = [
        Lane(name=one.lane, throttle=one.throttle, at_once=one.at_once, slow_down=rules.slow_down)
        for one in rules.paces
    ]
    warmed = [Lane(name=one.lane, warmup=one.curve) for one in rules.warmups]
    return {one.name: one for one in (*paced, *warmed)}


def lanes_of(rules: MailPaces, sender: str, recipient: str) -> list[str]:
    """The names of the lanes of a mail between two domains: of its pace, and of its warm-up."""
    pace = next((one.lane for one in rules.paces if _fits(one, sender, recipient)), None)
    warmup = next((one.lane for one in rules.warmups if one.sender == sender), None)
    return [one for one in (pace, warmup) if one is not None]


@lru_cache(maxsize=4096)
def _ascii(domain: str) -> str:
    try:
        return domain_name(domain)
    except ValueError:
        return ""


def domain_of(address: str) -> str:
    """The domain of an address, as rules have it; empty for one that is none."""
    return _ascii(address.rpartition("@")[2])


def _fits(rule: PaceRule, sender: str, recipient: str) -> bool:
    return (not rule.senders or sender in rule.senders) and (
        rule.to == (REST,) or recipient in rule.to
    )


def checked(rules: MailPaces) -> MailPaces:
    """The rules, domains in ASCII; MailPacesError says what can't be."""
    for name, some in (("paces", rules.paces), ("warmups", rules.warmups)):
        if len(some) > MOST_RULES:
            raise MailPacesError(name, f"at most {MOST_RULES}")
    paces = tuple(_checked_pace(f"paces[{at}]", one) for at, one in enumerate(rules.paces))
    warmups = tuple(
        msgspec.structs.replace(one, sender=_domains(f"warmups[{at}].sender", [one.sender])[0])
        for at, one in enumerate(rules.warmups)
    )
    _require_once("paces", "id", [one.id for one in paces])
    _require_once("warmups", "sender", [one.sender for one in warmups])
    return msgspec.structs.replace(rules, paces=paces, warmups=warmups)


def _checked_pace(where: str, rule: PaceRule) -> PaceRule:
    if rule.throttle is None and rule.at_once is None:
        raise MailPacesError(where, "`at_most` or `at_once` says how fast; give one of them")
    if rule.throttle is not None and not 0 < rule.throttle.at_most <= MAX_AT_MOST:
        raise MailPacesError(f"{where}.at_most", f"1 to {MAX_AT_MOST}")
    to = rule.to if rule.to == (REST,) else tuple(_domains(f"{where}.to", rule.to))
    if not to:
        raise MailPacesError(f"{where}.to", "the domains it is of, or `*` alone")
    senders = tuple(_domains(f"{where}.senders", rule.senders))
    return msgspec.structs.replace(rule, to=to, senders=senders)


def _domains(where: str, names: Sequence[str]) -> list[str]:
    if len(names) > MOST_DOMAINS:
        raise MailPacesError(where, f"at most {MOST_DOMAINS}")
    try:
        return list(dict.fromkeys(map(domain_name, names)))
    except ValueError as error:
        raise MailPacesError(where, str(error)) from error


def _require_once(where: str, field: str, names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            raise MailPacesError(f"{where}[{at}].{field}", f"{name} is there before")
