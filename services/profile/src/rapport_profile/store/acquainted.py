"""Whom this process has seen in the database lately, and under whose lock they were."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from itertools import islice
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import after_commit
from rapport_profile.domain.naming import Id
from rapport_profile.domain.people import Node

Place = tuple[str, Id]
"""(workspace, id) of an identifier."""

NO_GUESSES: Mapping[Place, Id] = {}
MOST = 50_000
"""Identifiers: somebody who is active now is so for many events."""


class Acquainted:
    """Remembers identifiers that were there at a commit, with the clusters they were in.

    They are guesses: another process may have joined them to others, or forgotten them. Who acts
    on them reads the rows afterwards, under the locks, and sees whether they hold.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: WeakKeyDictionary[Engine, dict[Place, Id]] = WeakKeyDictionary()

    def guesses(self, tx: AsyncConnection, wanted: Iterable[Place]) -> dict[Place, Id]:
        """The clusters of those of these identifiers that are remembered."""
        engine = _engine(tx)
        seen = None if engine is None else self._seen.get(engine)
        if not seen:
            return {}
        return {one: seen[one] for one in wanted if one in seen}

    def remember(self, tx: AsyncConnection, nodes: Collection[Node]) -> None:
        """From the commit on; the last are remembered longest."""
        engine = _engine(tx)
        if engine is not None:
            found = {(one.workspace, one.id): one.cluster_id or one.id for one in nodes}
            after_commit(tx, partial(self._keep, engine, found))

    def _keep(self, engine: Engine, found: Mapping[Place, Id]) -> None:
        seen = self._seen.setdefault(engine, {})
        for one, cluster in found.items():
            seen.pop(one, None)
            seen[one] = cluster
        for one in list(islice(seen, max(0, len(seen) - self._most))):
            del seen[one]


def _engine(tx: AsyncConnection) -> Engine | None:
    return tx.sync_connection.engine if tx.sync_connection is not None else None


ACQUAINTED = Acquainted()
"""One for a process."""
