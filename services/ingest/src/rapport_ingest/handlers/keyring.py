"""Write keys: made for a source, and recognised without asking Postgres each time."""

import asyncio
import hmac
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import UnauthorizedError, UnavailableError
from rapport_ingest import metrics
from rapport_ingest.domain.credentials import key_hash, key_id_of
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.senders import senders_of
from rapport_ingest.store import sources
from rapport_ingest.store.sources import StoredKey

log = logging.get(__name__)

CHECK_SECONDS = 0.5
"""A revoked key or a changed policy holds on every replica within a second."""

LOOK_UP_SECONDS = 5.0
AGAIN_SECONDS = 1.0
UNKNOWN_SECONDS = 5.0
MAX_KNOWN = 10_000
MAX_UNKNOWN = 1_000


@dataclass(slots=True)
class _Known:
    stored: StoredKey
    sender: Sender
    checked_at: float
    used: bool = True
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeyRing:
    """Knows whose a write key is.

    Known keys in use cost a request no look at Postgres: as a worker this checks them twice a
    second, so that revoked ones end, and while Postgres is away known ones go on. A key that
    was not used for a while is looked up again, because nobody has checked it meanwhile.
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
        """Whose key it is, if this process knows it already and has looked at it lately."""
        known = self._known.get(key)
        if known is None:
            return None
        if not known.used and time.monotonic() - known.checked_at >= CHECK_SECONDS:
            return None
        known.used = True
        return known.sender

    async def sender(self, key: str) -> Sender:
        """Whose key it is. UnauthorizedError: nobody's; UnavailableError: can't be told now."""
        known = self.known(key)
        if known is not None:
            return known
        if (stale := self._known.get(key)) is not None:
            return await self._again(key, stale)
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
        return self._learn(key, found)

    async def _again(self, key: str, known: _Known) -> Sender:
        """A key that rested; when Postgres does not say quickly, what was known of it goes on.

        Of many requests that wake it one asks.
        """
        async with known.asking:
            if known.used or self._known.get(key) is not known:
                return await self.sender(key)
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    found = await self._look_up([key])
            except (SQLAlchemyError, OSError) as error:
                if not is_retriable(error):
                    raise
                known.used = True
                return known.sender
            return self._learn(key, found)

    def _learn(self, key: str, found: Mapping[str, tuple[StoredKey, Sender]]) -> Sender:
        if key not in found:
            self._known.pop(key, None)
            _bound(self._unknown, MAX_UNKNOWN)
            self._unknown[key] = time.monotonic() + UNKNOWN_SECONDS
            raise _unknown_key()
        if key not in self._known:
            _bound(self._known, MAX_KNOWN)
        self._known[key] = _Known(*found[key], time.monotonic())
        metrics.WRITE_KEYS.set(len(self._known))
        return found[key][1]

    async def run(self, stop: asyncio.Event) -> None:
        """Check the keys in use twice a second, until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await stop.wait()
            try:
                await self.check()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("write keys not checked, known ones go on", error=error)

    async def check(self) -> None:
        """Forget the keys used since the last check that do not hold any more."""
        used = [key for key, known in self._known.items() if known.used]
        if not used:
            return
        began = time.monotonic()
        found = await self._look_up(used)
        for key in used:
            if key in found:
                self._known[key] = _Known(*found[key], began, used=False)
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
            found |= await senders_of(tx, stale)
        return found


def _bound(entries: dict[str, _Known] | dict[str, float], limit: int) -> None:
    """Make room for one more by dropping the oldest."""
    while len(entries) >= limit:
        del entries[next(iter(entries))]


def _unknown_key() -> UnauthorizedError:
    return UnauthorizedError(
        "No source has this write key. `rapport source create` makes a source with a key; "
        "send it as the Basic user, as Bearer, as X-Write-Key or as writeKey in the body."
    )
