"""A workspace's consent rules: what a yes needs to count, by purpose.

What an event says is judged when it is read (`word_said`): folds compare what came of it and know
no rules, so they stay joins. A change of rules judges everything anew (`handlers/rebuilding.py`).
"""

from datetime import timedelta
from typing import Any

import msgspec

from rapport_common.events.consent import (
    ANY_PURPOSE,
    CONFIRMED_BY_MAIL,
    LEGAL_BASES,
    Lacks,
    is_purpose,
    normal_purpose,
)
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.events.envelope import Event
from rapport_profile.domain.consents import Consent, Said, Subject, consent_said
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.rules import RulesError

MAX_PURPOSES = 200
MAX_DAYS = 36_500
CONSENT = "consent"
"""The ground that is an agreement (Article 6(1)(a) GDPR, 13(1) PIPL)."""
FORM = "form"
"""The method of who has it from a page, and is a server."""


class PurposeRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a yes to a purpose needs, and what goes for one that does not say.

    `double_opt_in`: one by e-mail counts when the owner of the address has confirmed it there.
    `wording_version`: it counts when it says to which wording. `legal_basis`: the ground of words
    that state none, one of `LEGAL_BASES`. `days`: so long a yes holds that states no end.
    """

    double_opt_in: bool = False
    wording_version: bool = False
    legal_basis: str | None = None
    days: int | None = None

    @property
    def needs_a_yes(self) -> bool:
        """Whether who has said nothing lacks what is asked for: what a yes lacks, silence lacks."""
        return self.double_opt_in or self.wording_version or self.legal_basis == CONSENT


class ConsentRules(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The rules as they are declared; a yes to a purpose that is left out counts as it is said."""

    purposes: dict[str, PurposeRule] = {}

    def of(self, purpose: str) -> PurposeRule:
        """What goes for a purpose."""
        return self.purposes.get(purpose, _NO_RULE)

    def needing_a_yes(self) -> list[str]:
        """The purposes for which silence is no permission, whatever a campaign's policy says."""
        return sorted(name for name, one in self.purposes.items() if one.needs_a_yes)


_NO_RULE = PurposeRule()
NO_CONSENT_RULES = ConsentRules()
"""A yes counts as it is said."""


def checked(declared: ConsentRules) -> ConsentRules:
    """The rules with their purposes in normal form; RulesError says what can't be."""
    if len(declared.purposes) > MAX_PURPOSES:
        raise RulesError("purposes", f"at most {MAX_PURPOSES} purposes can be declared")
    found: dict[str, PurposeRule] = {}
    for given, one in declared.purposes.items():
        where, purpose = f"purposes.{given[:64]}", normal_purpose(given) or ""
        if purpose == ANY_PURPOSE or not is_purpose(purpose):
            message = "a purpose that is known, or your own, which begins with x_"
            raise RulesError(where, message)
        if purpose in found:
            raise RulesError(where, f"{purpose} stands there twice")
        if one.legal_basis is not None and one.legal_basis not in LEGAL_BASES:
            raise RulesError(f"{where}.legal_basis", f"one of {', '.join(LEGAL_BASES)}")
        if one.days is not None and not 1 <= one.days <= MAX_DAYS:
            raise RulesError(f"{where}.days", f"1 to {MAX_DAYS:,}")
        found[purpose] = one
    return ConsentRules(dict(sorted(found.items())))


def word_said(event: Event, rules: ConsentRules) -> tuple[Subject, Consent] | None:
    """What a `Consent Updated` says, as it counts by the rules; see `consent_said`."""
    told = consent_said(event)
    if told is None:
        return None
    subject, said = told
    channel, purpose, _point = subject
    return subject, _judged(rules.of(purpose), channel, said, event)


def _judged(rule: PurposeRule, channel: str, said: Consent, event: Event) -> Consent:
    kind = next((one for one in ("granted", "asked", "undated") if getattr(said, one)), None)
    if kind is None:
        return said
    properties = properties_of(event)
    proven = _is_proven(event, properties)
    yes: Said = msgspec.structs.replace(getattr(said, kind), proven=proven)
    if yes.until is None and rule.days is not None:
        yes = msgspec.structs.replace(yes, until=_end(yes, rule.days))
    lacks = _lacks(rule, channel, yes)
    if lacks is None:
        return msgspec.structs.replace(Consent(), **{kind: yes})
    if lacks == "proof" and _asks(event, properties):
        lacks = "double_opt_in"
    return Consent(asked=msgspec.structs.replace(yes, lacks=lacks))


def judged_anew(rule: PurposeRule, channel: str, known: Consent) -> Consent:
    """What counted by other rules of words that are known by it alone: it counts no more for it."""
    found = known
    for kind in ("granted", "asked", "undated"):
        yes: Said | None = getattr(known, kind)
        lacks = None if yes is None or yes.lacks else _lacks(rule, channel, yes)
        if yes is not None and lacks is not None:
            less = Consent(asked=msgspec.structs.replace(yes, lacks=lacks))
            found = msgspec.structs.replace(found, **{kind: None}).join(less)
    return found


def _lacks(rule: PurposeRule, channel: str, yes: Said) -> Lacks | None:
    if rule.wording_version and not yes.wording_version:
        return "wording_version"
    needs_proof = rule.double_opt_in and channel == EMAIL_CHANNEL
    return "proof" if needs_proof and not yes.proven else None


def _end(yes: Said, days: int) -> Any:
    try:
        return yes.stamp.at + timedelta(days=days)
    except OverflowError:
        return None


def _method(properties: dict[str, Any]) -> str | None:
    """How it was said; senders may write anything there."""
    found = properties.get("method")
    return found if isinstance(found, str) else None


def _is_proven(event: Event, properties: dict[str, Any]) -> bool:
    """Whether it came by a link in a mail to the address, by the word of who is believed."""
    return event.trust == "trusted" and _method(properties) in CONFIRMED_BY_MAIL


def _asks(event: Event, properties: dict[str, Any]) -> bool:
    """Whether somebody was at a page or form just now, and can be asked by a mail."""
    at_a_form = event.trust != "trusted" or _method(properties) in {FORM, "link"}
    return at_a_form and not event.historic
