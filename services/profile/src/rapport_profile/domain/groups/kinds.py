"""Which kinds of groups a workspace has: how many of one a person is in, and whose word counts."""

from typing import Literal

import msgspec

from rapport_common.events.kinds import is_kind
from rapport_profile.domain import trait_rules
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.trait_rules import TraitRule, TraitRules

DEFAULT_KIND = "company"
"""Of a group whose kind nobody states."""
MAX_KINDS = 100
MAX_PER_PERSON = 100
"""Groups of one kind that a person is in at most, whatever is declared."""

Public = Literal["nothing", "membership", "everything"]


class GroupKind(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What goes for one kind of group.

    `max_per_person`: a person is in so many at most, and who joins one more has left the one
    joined longest ago; None: MAX_PER_PERSON. `public`: what a public source (a web page) may say:
    `nothing`; `membership`, unverified, but no traits; or `everything`, as a server may. `traits`:
    which of what was said about a trait of the group counts.
    """

    max_per_person: int | None = None
    public: Public = "membership"
    traits: dict[str, TraitRule] = {}
    description: str = ""

    @property
    def most(self) -> int:
        """How many of the kind a person is in at most."""
        return MAX_PER_PERSON if self.max_per_person is None else self.max_per_person


class GroupRules(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The kinds as they are declared; one that is left out is as `USUAL`, or has no limit."""

    kinds: dict[str, GroupKind] = {}

    def of(self, kind: str) -> GroupKind:
        """What goes for a kind."""
        return self.kinds.get(kind) or USUAL.get(kind) or _PLAIN


USUAL = {"household": GroupKind(max_per_person=1)}
"""Where nothing else is declared."""
_PLAIN = GroupKind()


def checked(declared: GroupRules) -> GroupRules:
    """The rules as they are; RulesError says what can't be."""
    if len(declared.kinds) > MAX_KINDS:
        raise RulesError("kinds", f"at most {MAX_KINDS} kinds can be declared")
    for name, one in declared.kinds.items():
        where = f"kinds.{name[:64]}"
        if not is_kind(name):
            raise RulesError(where, "a kind is named by a-z, 0-9 and '_', a letter first")
        if not 1 <= one.most <= MAX_PER_PERSON:
            message = f"a person is in 1 to {MAX_PER_PERSON} groups of a kind"
            raise RulesError(f"{where}.max_per_person", message)
        if len(one.description) > trait_rules.MAX_DESCRIPTION or "\0" in one.description:
            message = f"at most {trait_rules.MAX_DESCRIPTION:,} characters, and no NUL"
            raise RulesError(f"{where}.description", message)
        try:
            trait_rules.checked(TraitRules(one.traits))
        except RulesError as error:
            raise RulesError(f"{where}.{error.where}", str(error)) from error
    return declared
