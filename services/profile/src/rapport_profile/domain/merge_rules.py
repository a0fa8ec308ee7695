"""A workspace's merge rules: which identifiers join people, how strongly, and how many at most.

Rules say nothing of what is stored: who is who is worked out from the facts under the rules, and
a change of rules is worked out anew from the same facts (`handlers/rebuilding.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from typing_extensions import override

from rapport_common.events.envelope import EMAIL, USER_ID, Identifier
from rapport_common.events.kinds import KINDS, PHONE, is_kind, normal_value, rank
from rapport_profile.domain.consent_rules import NO_CONSENT_RULES, ConsentRules
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.trait_rules import TraitJudge, TraitRules

MAX_KINDS = 100
MAX_BLOCKED = 10_000
"""Values of all kinds together."""
FORMS = {EMAIL: "an address", PHONE: "a number with its country's code"}
MAX_VALUE = 512
"""Characters."""
MAX_DAYS = 36_500


class MaxNew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `count` identifiers of a kind become a person's within any `days` days."""

    count: int
    days: int


class KindRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What goes for one kind of identifier.

    `max_per_profile`: a person has so many of it at most; None is any number. `max_new`: so many
    new ones within some days. `joins`: whether an identifier of it is a part of the person with
    whom it is named. One that does not join names only events that name nothing else, and those
    stay under it alone.
    """

    max_per_profile: int | None = None
    joins: bool = True
    max_new: MaxNew | None = None


class MergeRules(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The rules as they are declared.

    `order`: kinds, strongest first, always behind the user id; those that are not in it follow in
    the usual order. `blocked`: values by kind that join nobody, such as a shop's own phone number.
    """

    order: tuple[str, ...] = ()
    kinds: dict[str, KindRule] = {}
    blocked: dict[str, tuple[str, ...]] = {}


class Window(NamedTuple):
    """At most `most` new ones in any time of this length, its end not included."""

    most: int
    length: timedelta


class Rules:
    """Merge rules as they are applied, and beside them what goes for traits and consents.

    `programme` is the version of the workspace's loyalty programme; 0: there is none.
    """

    def __init__(
        self,
        declared: MergeRules | None = None,
        traits: TraitRules | None = None,
        programme: int = 0,
        consents: ConsentRules = NO_CONSENT_RULES,
    ) -> None:
        self.declared = declared or MergeRules()
        self.judge = Judge(TraitJudge(traits), consents)
        self.programme = programme
        order = [USER_ID, *(kind for kind in self.declared.order if kind != USER_ID)]
        self._rank = {kind: place for place, kind in enumerate(order)}
        self._alone = {kind for kind, one in self.declared.kinds.items() if not one.joins}
        self._blocked = {kind: frozenset(some) for kind, some in self.declared.blocked.items()}
        limited = {kind: one for kind, one in self.declared.kinds.items() if kind != USER_ID}
        self.most = {
            kind: one.max_per_profile
            for kind, one in limited.items()
            if one.max_per_profile is not None
        }
        """The most of a kind that one person has; of user ids it is one, always."""
        self.windows = {
            kind: Window(one.max_new.count, timedelta(days=one.max_new.days))
            for kind, one in limited.items()
            if one.max_new is not None
        }
        self.limits = self.most | {kind: one.most for kind, one in self.windows.items()}
        """So many of a kind one person may have whenever they came; of more it has to be asked."""
        self.chooses = self.declared != MergeRules()
        """Whether an event may be named otherwise than as it comes."""

    @override
    def __repr__(self) -> str:
        judge = self.judge
        return f"Rules({self.declared!r}, {judge.traits.declared!r}, {judge.consents!r})"

    def rank(self, kind: str) -> tuple[float, float, str]:
        """A sort key: the strongest kind first."""
        return (self._rank.get(kind, len(self._rank)), *rank(kind))

    def joins(self, identifier: Identifier) -> bool:
        """Whether an identifier is a part of the person with whom it is named."""
        kind, value = identifier
        return kind not in self._alone and value not in self._blocked.get(kind, ())

    def chosen(self, found: Iterable[Identifier]) -> list[Identifier]:
        """Those of an event's identifiers that count, strongest first: one at least, of any."""
        ordered = sorted(found, key=lambda one: self.rank(one[0]))
        return [one for one in ordered if self.joins(one)] or ordered[:1]

    def surplus(self, counts: Mapping[str, int]) -> bool:
        """Whether so many identifiers by kind may be more than one person may have.

        They are, unless the kind has a window: then it depends on when each was new.
        """
        return any(counts.get(kind, 0) > most for kind, most in self.limits.items())


NO_RULES = Rules()


class RuleBook(dict[str, Rules]):
    """The rules of workspaces, by their names; those that have declared none follow the usual."""

    def of(self, workspace: str) -> Rules:
        """The rules of a workspace."""
        return self.get(workspace, NO_RULES)

    def limited(self) -> list[str]:
        """The workspaces in which a person has so many of a kind at most, in order."""
        return sorted(workspace for workspace, rules in self.items() if rules.limits)

    @property
    def has_windows(self) -> bool:
        """Whether it matters in any workspace when identifiers were new."""
        return any(rules.windows for rules in self.values())


USUAL = RuleBook()
"""Where nobody has declared rules."""


def checked(declared: MergeRules) -> MergeRules:
    """Declared rules with their values in normal form; RulesError says what can't be."""
    for part, some in (("order", declared.order), ("kinds", declared.kinds)):
        if len(some) > MAX_KINDS:
            raise RulesError(part, f"at most {MAX_KINDS} kinds can be declared")
    for place, kind in enumerate(declared.order):
        _check_name(f"order.{place}", kind)
        if kind in declared.order[:place]:
            raise RulesError(f"order.{place}", f"{kind} stands there twice")
        if kind == USER_ID and place:
            message = "user_id is the strongest kind: it comes first, or is left out"
            raise RulesError(f"order.{place}", message)
    for kind, one in declared.kinds.items():
        _check_kind(f"kinds.{kind}", kind, one)
    if sum(len(some) for some in declared.blocked.values()) > MAX_BLOCKED:
        raise RulesError("blocked", f"at most {MAX_BLOCKED:,} values can be blocked")
    blocked = {
        kind: tuple(sorted({_normal_blocked(kind, value) for value in some}))
        for kind, some in sorted(declared.blocked.items())
        if some
    }
    return msgspec.structs.replace(declared, blocked=blocked)


def _check_kind(where: str, kind: str, one: KindRule) -> None:
    _check_name(where, kind)
    most = one.max_per_profile
    if most is not None and most < 1:
        raise RulesError(f"{where}.max_per_profile", "a person has one of a kind at least")
    if one.max_new is not None:
        _check_new(f"{where}.max_new", kind, one.max_new, most)
    if kind != USER_ID:
        return
    if most not in {None, 1}:
        raise RulesError(f"{where}.max_per_profile", "a person has one user id, always")
    if not one.joins:
        raise RulesError(f"{where}.joins", "a user id is a person: block single values instead")


def _check_new(where: str, kind: str, new: MaxNew, most: int | None) -> None:
    if kind == USER_ID:
        raise RulesError(where, "a person has one user id, always")
    if new.count < 1:
        raise RulesError(f"{where}.count", "one of a kind may be new at least")
    if not 1 <= new.days <= MAX_DAYS:
        raise RulesError(f"{where}.days", f"a window has 1 to {MAX_DAYS:,} days")
    if most is not None and most <= new.count:
        message = f"of {most} at most there are never more new ones: it is less than that"
        raise RulesError(f"{where}.count", message)


def _check_name(where: str, kind: str) -> None:
    if not is_kind(kind):
        known = ", ".join(KINDS)
        message = f"'{kind[:64]}' is no kind: {known}, or a-z, 0-9 and '_', a letter first"
        raise RulesError(where, message)


def _normal_blocked(kind: str, value: Any) -> str:
    where = f"blocked.{kind}"
    _check_name(where, kind)
    if len(value) > MAX_VALUE or "\x00" in value:
        raise RulesError(where, f"a value has {MAX_VALUE} characters at most, and no NUL")
    normal = normal_value(kind, value)
    if normal is None:
        form = FORMS.get(kind, "a value that is not blank")
        raise RulesError(where, f"'{value[:64]}' is no {kind}: it never comes ({form} is wanted)")
    return normal
