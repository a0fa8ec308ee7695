"""Follows the records of a batch: who is concerned is locked and read, and written at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import logging, metrics
from rapport_common.follower.domain import Following, Held, Key, Step, Versions, overlay
from rapport_common.follower.records import reading
from rapport_common.follower.store import FollowerStore, Stored, TextOf
from rapport_common.follower.tables import Followed
from rapport_common.kafka.batch import Record

log = logging.get(__name__)


@dataclass
class Batch:
    """The ids of a batch: `following` applies its steps, `stored` are sections as they are kept."""

    following: Following
    stored: dict[Key, Stored] = field(default_factory=dict)


class Follower:
    """One service's way of following."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self.store = FollowerStore(followed)
        self._later = followed.later_places
        # From the start: a first gap is an increase only of what was there before.
        self._gaps = metrics.FOLLOWER_GAPS.labels(followed.schema)
        self._step = reading(followed.sections, ids_are_uuids=followed.ids == "uuid")

    def read(self, batch: Sequence[Record]) -> list[tuple[Step, Record]]:
        """What the records say, each with its record; InvalidEvent names one that can't be."""
        read = self._step
        return [
            (step, one)
            for index, one in enumerate(batch)
            if (step := read(index, one.value)) is not None
        ]

    async def load(
        self,
        tx: AsyncConnection,
        steps: Sequence[Step],
        wanted: Mapping[Key, int] | None = None,
        *,
        with_heirs: int | None = None,
    ) -> Batch:
        """Lock whom these steps may change, and read what is held of them.

        `wanted` are the sections to read as they are kept, by key: bits by their places. With
        `with_heirs` those who are merged into are locked, too, all along the way, and so much of
        them is read. Whom a record only speaks of is looked at and not locked, unless something
        was missed of them.
        """
        reads, wanted = wanted is not None, wanted or {}
        keys = {one.key for one in steps if one.told}
        keys |= {end.key for one in steps for end in one.ends}
        keys |= await self._lacking(tx, [one for one in steps if one.key not in keys])
        asked = {key: wanted.get(key, 0) for key in keys}
        if with_heirs is not None:
            heirs = {
                (end.key[0], end.heir) for one in steps for end in one.ends if end.heir is not None
            }
            asked |= dict.fromkeys(heirs, with_heirs)
        batch = Batch(self.following({}))
        held: dict[Key, Held] = {}
        # Whom an id leads to can only change under its lock: locked, then read, and again for
        # those it leads to.
        while asked:
            more, stored = await self.store.lock(tx, asked, reads=reads)
            held |= more
            batch.stored |= stored
            asked = {} if with_heirs is None else _beyond(held, with_heirs)
        batch.following = self.following(held)
        return batch

    async def _lacking(self, tx: AsyncConnection, steps: Sequence[Step]) -> set[Key]:
        """Those of whom these steps, which tell nothing, show that something was missed."""
        if not steps:
            return set()
        held = await self.store.held(tx, {one.key for one in steps})
        nothing = Held((0,) * len(self.followed.sections))
        found: set[Key] = set()
        for one in steps:
            known = held.get(one.key, nothing)
            if one.versions is not None and self._is_gap(known, one.versions):
                found.add(one.key)
        return found

    def following(self, held: dict[Key, Held]) -> Following:
        """Follows these ids in memory."""
        return Following(held, self._later)

    def _is_gap(self, known: Held, versions: Versions) -> bool:
        return overlay(known, versions, (), self._later) is not known

    async def save(
        self, tx: AsyncConnection, following: Following, text_of: TextOf | None = None
    ) -> None:
        """Write what has changed; `text_of` gives what is kept of a section."""
        changed = following.changed
        held = {key: following.held[key] for key in changed}
        news: Mapping[Key, Mapping[int, Any]] = {
            key: following.news[key] for key in changed if key in following.news
        }
        await self.store.save(tx, held, news, text_of, cleared=following.has_cleared)
        number = following.newly_lacking
        if number:
            self._gaps.inc(number)
            log.error("records of profiles were missed; republish them", profiles=number)


def _beyond(held: Mapping[Key, Held], wanted: int) -> dict[Key, int]:
    heirs = {(key[0], one.heir) for key, one in held.items() if one.heir is not None}
    return {key: wanted for key in heirs if key not in held}
