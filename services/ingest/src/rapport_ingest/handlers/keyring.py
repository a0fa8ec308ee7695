"""Write keys: made for a source, and recognised without asking Postgres each time."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import ConflictError, UnauthorizedError, UnavailableError
from rapport_ingest import metrics
from rapport_ingest.domain.credentials import key_hash, key_id_of, slug, write_key
from rapport_ingest.domain.sender import Sender, compiled
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import plans, sources
from rapport_ingest.store.sources import StoredKey

log = logging.get(__name__)

CHECK_SECONDS = 0.5
"""A revoked key or a changed policy holds on every replica within a second."""

LOOK_UP_SECONDS = 5.0
UNKNOWN_SECONDS = 5.0
MAX_KNOWN = 10_000
MAX_UNKNOWN = 1_000


@dataclass(slots=True)
class _Known:
    stored: StoredKey
    sender: Sender
    used: bool = True


class KeyRing:
    """Knows whose a write key is.

    Known keys cost a request no look at Postgres: as a worker this checks once a second
    those in use, so that revoked ones end, and while Postgres is away known ones go on.
    Unknown keys are remembered for a few seconds, so that a misconfigured sender does not
    become a load on Postgres.
    """

    name = "keys"

    def __init__(self, engine: AsyncEngine, pepper: bytes) -> None:
        self._engine = engine
        self._pepper = pepper
        self._known: dict[str, _Known] = {}
        self._unknown: dict[str, float] = {}

    def known(self, key: str) -> Sender | None:
        """Whose key it is, if this process knows it already."""
        known = self._known.get(key)
        if known is None:
            return None
        known.used = True
        return known.sender

    async def sender(self, key: str) -> Sender:
        """Whose key it is. UnauthorizedError: nobody's; UnavailableError: can't be told now."""
        known = self.known(key)
        if known is not None:
            return known
        if self._unknown.get(key, 0.0) > time.monotonic() or key_id_of(key) is None:
            raise _unknown_key()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                found = await self._look_up([key])
        except (SQLAlchemyError, OSError) as error:
            if not is_retriable(error):
                raise
            message = "The database is away, and this process does not know the key yet."
            raise UnavailableError(message) from error
        if key not in found:
            _bound(self._unknown, MAX_UNKNOWN)
            self._unknown[key] = time.monotonic() + UNKNOWN_SECONDS
            raise _unknown_key()
        _bound(self._known, MAX_KNOWN)
        self._known[key] = _Known(*found[key])
        metrics.WRITE_KEYS.set(len(self._known))
        return found[key][1]

    async def run(self, stop: asyncio.Event) -> None:
        """Check the keys in use once a second, until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await stop.wait()
            try:
                await self.check()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("write keys not checked, known ones go on", error=repr(error))

    async def check(self) -> None:
        """Forget the keys used since the last check that do not hold any more."""
        used = [key for key, known in self._known.items() if known.used]
        if not used:
            return
        found = await self._look_up(used)
        for key in used:
            if key in found:
                self._known[key] = _Known(*found[key], used=False)
            else:
                self._known.pop(key, None)
        metrics.WRITE_KEYS.set(len(self._known))

    async def _look_up(self, keys: Sequence[str]) -> dict[str, tuple[StoredKey, Sender]]:
        """Those of `keys` that hold, with their sources."""
        ids = {key: key_id for key in keys if (key_id := key_id_of(key))}
        async with self._engine.connect() as connection:
            stored = await sources.find_keys(connection, list(ids.values()))
            held = {
                key: stored[key_id]
                for key, key_id in ids.items()
                if key_id in stored
                and hmac.compare_digest(stored[key_id].hash, key_hash(self._pepper, key))
            }
            fresh = await self._compiled(connection, held)
        return {key: (one, fresh[one.caller]) for key, one in held.items() if one.caller in fresh}

    async def _compiled(
        self, tx: AsyncConnection, held: Mapping[str, StoredKey]
    ) -> dict[Caller, Sender]:
        """The sources of these keys; what is known at its present revision is not read again."""
        found: dict[Caller, Sender] = {}
        for key, one in held.items():
            known = self._known.get(key)
            if known is not None and known.stored.revision == one.revision:
                found[one.caller] = known.sender
        stale = list({one.caller for one in held.values()} - found.keys())
        if stale:
            planned = await plans.plans(tx, stale)
            for caller, policy in (await sources.policies(tx, stale)).items():
                found[caller] = compiled(caller, policy, planned.get(caller, ()))
        return found

    async def create_source(
        self, tx: AsyncConnection, workspace: str, name: str
    ) -> tuple[str, str]:
        """(source id, write key) of a new source; ConflictError when the name is taken.

        The key is shown this once: only its hash is kept.
        """
        source = slug(name)
        if not await sources.add_source(tx, workspace, source, name):
            message = f"There is a source '{source}' already. Choose another name."
            raise ConflictError(message, details={"source": source})
        key_id = secrets.token_hex(6)
        key = write_key(key_id, secrets.token_hex(16))
        await sources.add_key(tx, Caller(workspace, source), key_id, key_hash(self._pepper, key))
        return source, key


def _bound(entries: dict[str, _Known] | dict[str, float], limit: int) -> None:
    """Make room for one more by dropping the oldest."""
    while len(entries) >= limit:
        del entries[next(iter(entries))]


def _unknown_key() -> UnauthorizedError:
    return UnauthorizedError(
        "No source has this write key. `rapport source create` makes a source with a key; "
        "send it as the Basic user, as Bearer, as X-Write-Key or as writeKey in the body."
    )
