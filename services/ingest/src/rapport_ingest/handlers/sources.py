"""Sources and their write keys as operators work with them."""

import secrets
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.reserved import RESERVED_SOURCES
from rapport_ingest.domain.credentials import key_hash, slug, write_key
from rapport_ingest.domain.policy import Document, patched, read_policy, read_workspace_policy
from rapport_ingest.domain.source import DEFAULT_KIND, Caller, Kind
from rapport_ingest.store import sources as store
from rapport_ingest.store.sources import KeyRow, Source

MAX_LIVE_KEYS = 2
"""Enough to change a key without a gap, and few enough to know where each is."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A write key, this once: only its hash is kept."""

    id: str
    key: str


class Sources:
    """Makes and changes sources; the key ring of every process takes it up within a second."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    async def create(
        self,
        tx: AsyncConnection,
        workspace: str,
        name: str,
        policy: Document,
        kind: Kind = DEFAULT_KIND,
    ) -> tuple[str, NewKey]:
        """(source id, key) of a new source; ConflictError when the name is taken."""
        rules = patched({}, policy)
        read_policy(rules)
        source = free_slug(name)
        if not await store.add_source(tx, Caller(workspace, source), name, kind, rules):
            message = f"There is a source '{source}' already. Choose another name."
            raise ConflictError(message, details={"source": source})
        return source, await self._new_key(tx, Caller(workspace, source))

    async def change(
        self,
        tx: AsyncConnection,
        caller: Caller,
        *,
        name: str | None,
        patch: Document,
        kind: Kind | None = None,
    ) -> None:
        """Another name or kind, and the policy with a merge patch applied; InvalidRequestError."""
        found = await self._locked(tx, caller)
        if name is not None:
            free_slug(name)
        rules = patched(found.policy, patch)
        read_policy(rules)
        await store.change_source(tx, caller, name or found.name, kind or found.kind, rules)

    async def add_key(self, tx: AsyncConnection, caller: Caller) -> NewKey:
        """One more key; ConflictError when the source has two that hold."""
        await self._locked(tx, caller)
        live = [one.id for one in await store.keys_of(tx, caller) if one.revoked_at is None]
        if len(live) >= MAX_LIVE_KEYS:
            message = (
                f"Source '{caller.source}' has {MAX_LIVE_KEYS} keys that hold, {' and '.join(live)}"
                f". Revoke the one that is no longer used (`rapport source revoke {caller.source} "
                f"{live[0]}`), then ask again."
            )
            raise ConflictError(message, details={"keys": live})
        return await self._new_key(tx, caller)

    async def revoke(self, tx: AsyncConnection, caller: Caller, key_id: str) -> KeyRow:
        """End a key, the last one too; one that is revoked already stays as it is."""
        found = await store.revoke_key(tx, caller, key_id)
        if found is None:
            message = (
                f"Source '{caller.source}' has no key '{key_id}'. "
                f"`rapport source keys {caller.source}` lists them."
            )
            raise NotFoundError(message, details={"key": key_id})
        return found

    async def _locked(self, tx: AsyncConnection, caller: Caller) -> Source:
        """The source, for this transaction alone: of two at once the second sees the first's."""
        return require(await store.source(tx, caller, lock=True), caller)

    async def _new_key(self, tx: AsyncConnection, caller: Caller) -> NewKey:
        made = NewKey(key_id := secrets.token_hex(6), write_key(key_id, secrets.token_hex(16)))
        await store.add_key(tx, caller, made.id, key_hash(self._pepper, made.key))
        return made


def free_slug(name: str) -> str:
    """The id made from a name; InvalidRequestError when it is a service's own."""
    made = slug(name)
    if made in RESERVED_SOURCES:
        message = (
            f"name: '{name}' is kept for Rapport's own services, whose events bear it as their "
            f"source. Choose another, such as '{name} of ours'."
        )
        raise InvalidRequestError(message, code="reserved_name", details={"path": "name"})
    return made


async def change_workspace(tx: AsyncConnection, workspace: str, patch: Document) -> Document:
    """What goes for all sources of a workspace, with a merge patch applied; InvalidRequestError."""
    rules = patched(await store.workspace_policy(tx, workspace, lock=True), patch)
    read_workspace_policy(rules)
    await store.change_workspace_policy(tx, workspace, rules)
    return rules


def require(found: Source | None, caller: Caller) -> Source:
    """The source; NotFoundError when the workspace has none of that id."""
    if found is None:
        message = (
            f"There is no source '{caller.source}' in this workspace. "
            "`rapport source list` lists them."
        )
        raise NotFoundError(message, details={"source": caller.source})
    return found
