"""What workspaces have declared of themselves, by subject; each version is kept.

A subject is a set of rules that is declared as a whole: merge rules, timeline rules, trait rules,
kinds of groups, consent rules.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.codec import encode
from rapport_profile.domain import consent_rules, merge_rules, timeline_rules, trait_rules
from rapport_profile.domain.consent_rules import ConsentRules
from rapport_profile.domain.groups import kinds
from rapport_profile.domain.groups.kinds import GroupRules
from rapport_profile.domain.merge_rules import MergeRules, RuleBook, Rules
from rapport_profile.domain.timeline_rules import TimelineRules
from rapport_profile.domain.trait_rules import TraitRules

R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True, eq=False)
class Subject(Generic[R]):
    """Rules of one kind: how they are called where they are stored, and what can't be.

    `checked` gives them in normal form, or raises RulesError.
    """

    name: str
    form: type[R]
    checked: Callable[[R], R]


MERGE_RULES = Subject("merge", MergeRules, merge_rules.checked)
TIMELINE_RULES = Subject("timeline", TimelineRules, timeline_rules.checked)
TRAIT_RULES = Subject("traits", TraitRules, trait_rules.checked)
GROUP_RULES = Subject("groups", GroupRules, kinds.checked)
CONSENT_RULES = Subject("consents", ConsentRules, consent_rules.checked)


LOYALTY = "loyalty"
"""What is declared elsewhere, see `store.loyalty_programmes`."""


class Version(NamedTuple, Generic[R]):
    """One version of a workspace's rules, by whom and why."""

    version: int
    declared: R
    actor: str
    reason: str
    created_at: datetime


_HOLD = text("LOCK TABLE profile.rules IN ACCESS EXCLUSIVE MODE")
_PATIENT = text("SET LOCAL lock_timeout = '8s'")
_VERSIONS = text(
    # Of all by one query: most workspaces have declared nothing, and each batch asks.
    "(SELECT DISTINCT ON (workspace, subject) workspace, subject, version FROM profile.rules "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) "
    "AND subject = ANY(CAST(:subjects AS text[])) ORDER BY workspace, subject, version DESC) "
    f"UNION ALL SELECT workspace, '{LOYALTY}', max(version) FROM profile.loyalty_programme "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) GROUP BY workspace"
)
_COLUMNS = "version, CAST(rules AS text) AS rules, actor, reason, created_at"
_OF_SUBJECT = (
    f"SELECT {_COLUMNS} FROM profile.rules WHERE workspace = :workspace AND subject = :subject"
)
_ONE = text(f"{_OF_SUBJECT} AND version = :version")
_HISTORY = text(
    f"{_OF_SUBJECT} AND (CAST(:before AS bigint) IS NULL OR version < :before) "
    "ORDER BY version DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO profile.rules (workspace, subject, version, rules, actor, reason) "
    "VALUES (:workspace, :subject, :version, CAST(:rules AS json), :actor, :reason) "
    f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)


class RuleShelf:
    """Reads the rules that hold; what has been read is kept, for a version never changes."""

    _SUBJECTS = (MERGE_RULES, TRAIT_RULES, CONSENT_RULES)

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, int], Rules]] = {}

    async def book(self, tx: AsyncConnection, workspaces: Collection[str]) -> RuleBook:
        """The rules that hold for as long as the transaction lasts: `hold` waits for its end."""
        # A name with a NUL can't be asked for; there are no such workspaces.
        asked = {
            "workspaces": sorted(one for one in workspaces if "\0" not in one),
            "subjects": [one.name for one in self._SUBJECTS],
        }
        versions: dict[str, dict[str, int]] = {}
        for workspace, subject, version in await tx.execute(_VERSIONS, asked):
            versions.setdefault(workspace, {})[subject] = version
        return RuleBook({one: await self._rules(tx, one, found) for one, found in versions.items()})

    async def _rules(self, tx: AsyncConnection, workspace: str, versions: dict[str, int]) -> Rules:
        known = self._known.get(workspace)
        if known is not None and known[0] == versions:
            return known[1]
        made = Rules(
            await _declared(tx, MERGE_RULES, workspace, versions),
            await _declared(tx, TRAIT_RULES, workspace, versions),
            versions.get(LOYALTY, 0),
            await _declared(tx, CONSENT_RULES, workspace, versions),
        )
        self._known[workspace] = versions, made
        return made


async def _declared(
    tx: AsyncConnection, subject: Subject[R], workspace: str, versions: dict[str, int]
) -> R:
    version = versions.get(subject.name)
    found = None if version is None else await find(tx, subject, workspace, version)
    return subject.form() if found is None else found.declared


async def hold(tx: AsyncConnection) -> None:
    """Wait for all who work by rules, and let nobody read them before this transaction ends."""
    # A batch of a large person takes longer than the two seconds that others wait.
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD)


async def find(
    tx: AsyncConnection, subject: Subject[R], workspace: str, version: int
) -> Version[R] | None:
    """One version of the rules."""
    asked = {"workspace": workspace, "subject": subject.name, "version": version}
    row = (await tx.execute(_ONE, asked)).first()
    return None if row is None else _version(subject, row)


async def history(
    tx: AsyncConnection, subject: Subject[R], workspace: str, limit: int, before: int | None = None
) -> list[Version[R]]:
    """The versions, the newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "subject": subject.name, "before": before, "limit": limit}
    return [_version(subject, row) for row in await tx.execute(_HISTORY, asked)]


async def latest(tx: AsyncConnection, subject: Subject[R], workspace: str) -> Version[R] | None:
    """The rules that hold; None where none have been declared."""
    (found,) = [*await history(tx, subject, workspace, 1), None][:1]
    return found


async def add(
    tx: AsyncConnection,
    subject: Subject[R],
    workspace: str,
    version: int,
    declared: R,
    *,
    by: tuple[str, str],
) -> Version[R] | None:
    """A new version (`by`: who, why); None when there is one of this number."""
    actor, reason = by
    asked = {
        "workspace": workspace,
        "subject": subject.name,
        "version": version,
        "rules": encode(declared).decode(),
        "actor": actor,
        "reason": reason,
    }
    row = (await tx.execute(_ADD, asked)).first()
    return None if row is None else _version(subject, row)


def _version(subject: Subject[R], row: Any) -> Version[R]:
    declared = msgspec.json.decode(row.rules, type=subject.form)
    return Version(row.version, declared, row.actor, row.reason, row.created_at)
