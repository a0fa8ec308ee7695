"""Follows `profile.activity`: which identifiers are the same person."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidEvent
from rapport_common.follower.domain import Following, Key
from rapport_common.kafka.batch import Record
from rapport_feedback import metrics
from rapport_feedback.domain.naming import unstorable
from rapport_feedback.store import people
from rapport_feedback.store.people import FOLLOWER, Claim


async def on_activity(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Take in the identifiers that are told; a record that tells none writes nothing."""
    for index, record in enumerate(batch):
        reason = unstorable(record.value)
        if reason is not None:
            raise InvalidEvent(index, reason)
    steps = [step for step, _record in FOLLOWER.read(batch)]
    following = (await FOLLOWER.load(tx, steps)).following
    moved = {turn.key for step in steps for turn in following.apply(step)}
    await FOLLOWER.save(tx, following)
    await _claim(tx, {key: _names(following, key) for key in moved})
    metrics.PROFILES.inc(len(moved))


def _names(following: Following, key: Key) -> set[tuple[str, str]]:
    """All identifiers of a profile that has got others; none any more if it is history."""
    [told] = following.news.get(key, {}).values() or [None]
    return set() if told is None else {(one.kind, one.value) for one in told.identifiers or ()}


async def _claim(tx: AsyncConnection, names: Mapping[Key, set[tuple[str, str]]]) -> None:
    """Make the stored identifiers of these profiles the given ones."""
    if not names:
        return
    known = await people.claims(tx, names)
    wanted: set[Claim] = {
        (workspace, kind, value, profile_id)
        for (workspace, profile_id), told in names.items()
        for kind, value in told
    }
    await people.remove_claims(tx, known - wanted)
    await people.add_claims(tx, wanted - known)
