"""Follows `profile.activity`: which identifiers are the same person, and who is only to be kept."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ContactPoint
from rapport_common.follower.domain import Ended, Following, Key, Overlaid
from rapport_common.kafka.batch import Record
from rapport_feedback import metrics
from rapport_feedback.domain.naming import language_told, storable_points, unstorable
from rapport_feedback.handlers.planning import plan_events
from rapport_feedback.store import people, reaching
from rapport_feedback.store.people import (
    CONTACT_POINTS,
    FOLLOWER,
    IDENTIFIERS,
    RESTRAINTS,
    TRAITS,
    Claim,
)


async def on_activity(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Take in the identifiers that are told; a record that tells none writes nothing."""
    for index, record in enumerate(batch):
        reason = unstorable(record.value)
        if reason is not None:
            raise InvalidEvent(index, reason)
    steps = [step for step, _record in FOLLOWER.read(batch)]
    following = (await FOLLOWER.load(tx, steps)).following
    turns = [turn for step in steps for turn in following.apply(step)]
    await FOLLOWER.save(tx, following)
    moved = _changed(turns, IDENTIFIERS)
    await _claim(tx, {key: _names(following, key) for key in moved})
    spoken = _changed(turns, RESTRAINTS)
    await people.restrict(tx, spoken, {one for one in spoken if _is_restricted(following, one)})
    await _reach(tx, following, turns)
    await plan_events(tx, [record.value for record in batch])
    metrics.PROFILES.inc(len(moved))


async def _reach(
    tx: AsyncConnection, following: Following, turns: Sequence[Overlaid | Ended]
) -> None:
    """Note where people are reached now, and which language they speak."""
    points: dict[Key, Sequence[ContactPoint]] = {}
    languages: dict[Key, str] = {}
    ended = {one.key for one in turns if isinstance(one, Ended)}
    for one in turns:
        news = following.news.get(one.key, {})
        if isinstance(one, Ended) or one.key in ended:
            continue
        if CONTACT_POINTS in one.taken and CONTACT_POINTS in news:
            points[one.key] = storable_points(news[CONTACT_POINTS].contact_points or ())
        if TRAITS in one.taken and TRAITS in news:
            languages[one.key] = language_told(news[TRAITS].traits)
    await reaching.keep_points(tx, points)
    await reaching.keep_languages(tx, languages)
    await reaching.drop(tx, ended)


def _changed(turns: Iterable[Overlaid | Ended], section: int) -> set[Key]:
    """The profiles of which a section is not as it was, or that are history."""
    return {one.key for one in turns if isinstance(one, Ended) or section in one.taken}


def _names(following: Following, key: Key) -> set[tuple[str, str]]:
    """All identifiers of a profile that has got others; none any more if it is history."""
    told = following.news.get(key, {}).get(IDENTIFIERS)
    return set() if told is None else {(one.kind, one.value) for one in told.identifiers or ()}


def _is_restricted(following: Following, key: Key) -> bool:
    told = following.news.get(key, {}).get(RESTRAINTS)
    return told is not None and "processing" in (told.restraints or ())


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
