"""Domains that a workspace sends from: their keys, the records to publish, what DNS has of them.

A domain has keys of two kinds. RSA is what every receiver checks; Ed25519 signs as well once its
record is seen, and is left out without harm. When keys are rotated a new one waits beside the old
one, which signs until the record of the new one is seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import idna

from rapport_common.events.contact import normal_email

Algorithm = Literal["rsa", "ed25519"]
DomainState = Literal["unchecked", "verified", "failed"]
KeyState = Literal["waiting", "active", "former"]
"""`waiting`: its record was not seen yet. `active`: signs. `former`: signs no more."""
RecordState = Literal["unchecked", "found", "missing", "wrong", "unanswered"]

ALGORITHMS: tuple[Algorithm, ...] = ("rsa", "ed25519")
MOST_DOMAINS = 100
"""Of a workspace."""
KEPT = timedelta(days=7)
"""So long the record of a former key stays: mails that it has signed are still on their way."""

LOOK_AGAIN = timedelta(hours=24)
LOOK_SOON = timedelta(hours=6)
"""After a look that did not see the record of a verified domain."""
MISSES = 3
"""So many looks one after the other, and it is taken for gone."""
_JITTER = 0.2

_MAX_NAME = 253
_MAX_SELECTOR = 24
_MAX_DOMAIN = _MAX_NAME - len("._domainkey.") - _MAX_SELECTOR
_SILENT = ("unanswered", "unchecked")
_STRING = 255
"""Bytes that one string of a TXT record holds (RFC 1035, 3.3.14)."""


@dataclass(frozen=True, slots=True)
class SenderKey:
    """A key of a domain: `private` is sealed, and None for a former one; `public` is base64."""

    selector: str
    algorithm: Algorithm
    public: str
    private: str | None
    state: KeyState
    created_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What DNS had under a name, and what to do about it."""

    state: RecordState
    found: tuple[str, ...] = ()
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class SenderDomain:
    """A domain of a workspace, in ASCII; `findings` are those of the last check, by name.

    `misses`: so many looks of our own have not seen its record, since one has.
    """

    workspace: str
    domain: str
    state: DomainState
    created_at: datetime
    created_by: str
    keys: tuple[SenderKey, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    reason: str | None = None
    checked_at: datetime | None = None
    verified_at: datetime | None = None
    misses: int = 0
    next_look_at: datetime | None = None

    @property
    def shown_keys(self) -> list[SenderKey]:
        """Those whose records matter first: the newest, RSA before Ed25519, former ones last."""
        age = {key.selector: -key.created_at.timestamp() for key in self.keys}
        return sorted(
            self.keys,
            key=lambda one: (one.state == "former", age[one.selector], one.algorithm != "rsa"),
        )

    @property
    def is_rotating(self) -> bool:
        """Whether a new RSA key waits beside one that signs."""
        states = {one.state for one in self.keys if one.algorithm == "rsa"}
        return {"waiting", "active"} <= states


def domain_name(text: str) -> str:
    """A domain in ASCII (IDNA 2008, as those of addresses); ValueError, in words, for none."""
    shown = normal_email(f"x@{text.strip()}").removeprefix("x@")
    try:
        found = idna.encode(shown, uts46=True, std3_rules=True, transitional=False).decode()
    except (idna.IDNAError, UnicodeError):
        found = ""
    labels = found.lower().split(".")
    if "" in labels or len(labels) == 1 or labels[-1].isdigit():
        message = "must be the domain of an address, such as `example.com`"
        raise ValueError(message)
    if len(found) > _MAX_DOMAIN:
        message = f"must have at most {_MAX_DOMAIN} characters, so that its records have a name"
        raise ValueError(message)
    return found.lower()


def shown_name(domain: str) -> str:
    """A domain as people write it."""
    return normal_email(f"x@{domain}").removeprefix("x@")


def dkim_name(key: SenderKey, domain: str) -> str:
    """Where the record of a key stands."""
    return f"{key.selector}._domainkey.{domain}"


def dkim_value(key: SenderKey) -> str:
    """What it says (RFC 6376, 3.6.1)."""
    return f"v=DKIM1; k={key.algorithm}; p={key.public}"


def strings(value: str) -> list[str]:
    """The same in strings as long as a TXT record takes."""
    return [value[start : start + _STRING] for start in range(0, len(value), _STRING)]


def signers(domains: Iterable[str], sender: str) -> str | None:
    """Which of the verified domains signs for an address: its own, else the nearest above it."""
    labels = sender.rpartition("@")[2].lower().split(".")
    known = set(domains)
    above = (".".join(labels[start:]) for start in range(len(labels)))
    return next((one for one in above if one in known), None)


def rotated(one: SenderDomain, new: Sequence[SenderKey], now: datetime) -> SenderDomain:
    """The domain with new keys beside those that sign; what never came to sign goes."""
    kept = [key for key in one.keys if key.state != "waiting"]
    return dropped(replace(one, keys=(*kept, *new)), now)


def dropped(one: SenderDomain, now: datetime) -> SenderDomain:
    """The domain without former keys whose records have been kept for long enough."""
    keys = tuple(key for key in one.keys if not key.ended_at or key.ended_at + KEPT > now)
    return replace(one, keys=keys)


def checked(one: SenderDomain, findings: Mapping[str, Finding], now: datetime) -> SenderDomain:
    """The domain after a look into DNS. Keys that the look knows nothing of stay as they are.

    What DNS did not answer is as it was: nobody's mails go unsigned because a resolver is away.
    """
    keys: list[SenderKey] = []
    for algorithm in ALGORITHMS:
        keys += _advanced(
            [key for key in one.keys if key.algorithm == algorithm], one, findings, now
        )
    after = dropped(replace(one, keys=tuple(keys), findings=dict(findings), checked_at=now), now)
    if any(key.algorithm == "rsa" and key.state == "active" for key in keys):
        return replace(after, state="verified", reason=None, verified_at=one.verified_at or now)
    told = _told(after, findings)
    heard = next((each for each in told if each.state not in _SILENT), None)
    if heard is not None:
        return replace(after, state="failed", reason=heard.advice)
    return replace(after, reason=told[0].advice if told else None)


def looked_again(
    one: SenderDomain, findings: Mapping[str, Finding], now: datetime, chance: float
) -> SenderDomain:
    """The domain after a look of our own, at which nobody sits. `chance` (0 to 1) spreads the next.

    Whose record is not there once may be moving to another name server: its mails go on signed
    until `MISSES` looks have not seen it.
    """
    spread = 1 + _JITTER * (chance - 0.5)
    after = replace(checked(one, findings, now), misses=0, next_look_at=now + LOOK_AGAIN * spread)
    if (one.state, after.state) != ("verified", "failed"):
        return after
    misses = one.misses + 1
    if misses >= MISSES:
        return replace(after, misses=misses)
    return replace(
        one,
        findings=dict(findings),
        reason=after.reason,
        checked_at=now,
        misses=misses,
        next_look_at=now + LOOK_SOON * spread,
    )


def _told(one: SenderDomain, findings: Mapping[str, Finding]) -> list[Finding]:
    """What a look into DNS has come to of the RSA keys that may sign, the newest first."""
    keys = [key for key in one.keys if key.algorithm == "rsa" and key.state != "former"]
    newest_first = sorted(keys, key=lambda key: key.created_at, reverse=True)
    some = (findings.get(dkim_name(key, one.domain)) for key in newest_first)
    return [found for found in some if found is not None]


def _advanced(
    keys: Sequence[SenderKey], one: SenderDomain, findings: Mapping[str, Finding], now: datetime
) -> list[SenderKey]:
    """The keys of one algorithm, newest first: the first that is seen signs, older ones end."""
    found: list[SenderKey] = []
    signs = False
    for key in sorted(keys, key=lambda key: key.created_at, reverse=True):
        told = findings.get(dkim_name(key, one.domain), Finding("unanswered")).state
        if key.state == "former":
            found.append(key)
        elif signs:
            found.append(replace(key, state="former", private=None, ended_at=now))
        elif told == "found" or (told == "unanswered" and key.state == "active"):
            found.append(replace(key, state="active"))
            signs = True
        else:
            found.append(replace(key, state="waiting"))
    return found
