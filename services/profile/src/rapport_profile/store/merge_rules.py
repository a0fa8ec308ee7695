"""The merge rules of workspaces, each version of them kept."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.codec import encode
from rapport_profile.domain.merge_rules import MergeRules, RuleBook, Rules

_decoder = msgspec.json.Decoder(MergeRules)


class Version(NamedTuple):
    """One version of a workspace's rules, by whom and why."""

    version: int
    declared: MergeRules
    actor: str
    reason: str
    created_at: datetime


_HOLD = text("LOCK TABLE profile.merge_rules IN ACCESS EXCLUSIVE MODE")
_PATIENT = text("SET LOCAL lock_timeout = '8s'")
_VERSIONS = text(
    "SELECT DISTINCT ON (workspace) workspace, version FROM profile.merge_rules "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) ORDER BY workspace, version DESC"
)
_COLUMNS = "version, CAST(rules AS text) AS rules, actor, reason, created_at"
_ONE = text(
    f"SELECT {_COLUMNS} FROM profile.merge_rules "
    "WHERE workspace = :workspace AND version = :version"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM profile.merge_rules WHERE workspace = :workspace "
    "AND (CAST(:before AS bigint) IS NULL OR version < :before) ORDER BY version DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO profile.merge_rules (workspace, version, rules, actor, reason) "
    "VALUES (:workspace, :version, CAST(:rules AS json), :actor, :reason)"
)


class RuleShelf:
    """Reads the rules that hold; what has been read is kept, for a version never changes."""

    def __init__(self) -> None:
        self._known: dict[str, Rules] = {}

    async def book(self, tx: AsyncConnection, workspaces: Collection[str]) -> RuleBook:
        """The rules that hold for as long as the transaction lasts: `hold` waits for its end."""
        found = RuleBook()
        # A name with a NUL can't be asked for; there are no such workspaces.
        asked = sorted(one for one in workspaces if "\0" not in one)
        for workspace, version in await tx.execute(_VERSIONS, {"workspaces": asked}):
            known = self._known.get(workspace)
            if known is None or known.version != version:
                stored = await find(tx, workspace, version)
                if stored is None:
                    continue
                known = self._known[workspace] = Rules(stored.declared, version)
            found[workspace] = known
        return found


async def hold(tx: AsyncConnection) -> None:
    """Wait for all who work by the rules, and let nobody read them before this transaction ends."""
    # A batch of a large person takes longer than the two seconds that others wait.
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD)


async def find(tx: AsyncConnection, workspace: str, version: int) -> Version | None:
    """One version of the rules."""
    row = (await tx.execute(_ONE, {"workspace": workspace, "version": version})).first()
    return None if row is None else _version(row)


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version]:
    """The versions, the newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "before": before, "limit": limit}
    return [_version(row) for row in await tx.execute(_HISTORY, asked)]


async def add(
    tx: AsyncConnection, workspace: str, version: int, declared: MergeRules, *, by: tuple[str, str]
) -> None:
    """A new version; `by`: (who, why)."""
    actor, reason = by
    await tx.execute(
        _ADD,
        {
            "workspace": workspace,
            "version": version,
            "rules": encode(declared).decode(),
            "actor": actor,
            "reason": reason,
        },
    )


def _version(row: Any) -> Version:
    declared = _decoder.decode(row.rules)
    return Version(row.version, declared, row.actor, row.reason, row.created_at)
