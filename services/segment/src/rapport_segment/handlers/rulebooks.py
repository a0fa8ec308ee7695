"""The rules of workspaces, compiled: kept from batch to batch, as long as none has changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import logging
from rapport_segment.domain import rules, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.tree import Rule
from rapport_segment.store import candidates, definitions
from rapport_segment.store.definitions import Stored

log = logging.get(__name__)

MOST_FORMER = 2
"""Comparisons of former versions are forgotten when there are so many for each one in force."""

Made = tuple[UUID, int, bool]
"""A segment, its version, and whether it is being built."""


@dataclass(slots=True)
class Compiled:
    """What is in force in a workspace at a revision; what has not changed is not made again."""

    revision: int = -1
    rulebook: Rulebook = field(default_factory=Rulebook)
    made: dict[Made, Definition] = field(default_factory=dict)
    judges: Judges = field(default_factory=Judges)

    def become(self, revision: int, stored: Sequence[Stored]) -> None:
        former = self.made
        if len(self.judges) > MOST_FORMER * sum(len(one.leaves) for one in former.values()):
            former, self.judges = {}, Judges()
        self.made = {}
        for one in stored:
            key = (one.segment_id, one.version, one.built_version != one.version)
            try:
                self.made[key] = former.get(key) or compiled(one, self.judges)
            except RuleError as error:
                # Written when rules were read otherwise: it must not stop the others.
                log.error("segment left out", segment=str(one.segment_id), error=error.message)  # noqa: TRY400
        self.revision, self.rulebook = revision, Rulebook(list(self.made.values()))


class Rulebooks:
    """Those of all workspaces that a process works for."""

    def __init__(self, kept: dict[str, Compiled]) -> None:
        """`kept` has what was compiled, by workspace."""
        self._compiled = kept

    async def in_force(self, tx: AsyncConnection, workspaces: Sequence[str]) -> dict[str, Rulebook]:
        """The rules of these workspaces; they do not change before the end of `tx`."""
        revisions = await definitions.share(tx, workspaces)
        for one in revisions:
            self._compiled.setdefault(one, Compiled())
        stale = [one for one in revisions if self._compiled[one].revision != revisions[one]]
        if stale:
            fresh: dict[str, list[Stored]] = {one: [] for one in stale}
            for stored in await definitions.active(tx, stale):
                fresh[stored.workspace].append(stored)
            for candidate in await candidates.growing(tx, stale):
                fresh[candidate.workspace].append(candidate.as_definition)
            for one in stale:
                self._compiled[one].become(revisions[one], fresh[one])
        return {one: self._compiled[one].rulebook for one in revisions}


def compiled(one: Stored, judges: Judges | None = None) -> Definition:
    """A stored definition, ready to judge by."""
    return Definition.of(
        one.segment_id,
        one.version,
        one.name,
        rule_of(one),
        building=one.built_version != one.version,
        since=one.updated_at,
        beside=one.beside,
        judges=judges,
    )


def rule_of(one: Stored) -> Rule:
    """The rule of a stored definition."""
    return rules.parse(sections.exact(one.rule))


def understood(one: Stored) -> Rule | None:
    """The same; None for one that was written when rules were read otherwise. It is left out, and
    stops neither others nor whoever gives it another rule.
    """
    try:
        return rule_of(one)
    except RuleError:
        return None
