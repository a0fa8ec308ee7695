"""What `profile.activity` brings: people, and what they say no to."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.permission import objections_of
from rapport_campaign.store import locks, objections, people
from rapport_campaign.store.objections import Said
from rapport_campaign.store.people import FOLLOWER
from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.follower.domain import Following, Key, Overlaid, Step
from rapport_common.kafka.batch import Record


async def on_activity(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest of each section of each profile, and what became of ids."""
    for index, record in enumerate(batch):
        _require_object(index, record.value)
    steps = [step for step, _record in FOLLOWER.read(batch)]
    following = (await FOLLOWER.load(tx, steps)).following
    said: dict[Key, Said] = {}
    for step in steps:
        said |= _objected(following, step)
    await FOLLOWER.save(tx, following, people.kept)
    new = await objections.replace(tx, said)
    await locks.own_addresses(tx, new)


def _objected(following: Following, step: Step) -> dict[Key, Said]:
    """What profiles say no to by this record, so that the address is heard whoever else has it.

    A merged profile's words stay until its heir's state has them.
    """
    said: dict[Key, Said] = {}
    for turn in following.apply(step):
        if isinstance(turn, Overlaid):
            if people.CONSENT in turn.taken:
                said[turn.key] = objections_of(step.record.consent or ())
        elif turn.survivor is None:
            said[turn.key] = {}
    absorbed = step.ends if step.versions is not None else ()
    return said | {one.key: {} for one in absorbed if not following.held[one.key].lives}


def _require_object(index: int, activity: ProfileActivity) -> None:
    if activity.traits is not None and not bytes(activity.traits).lstrip().startswith(b"{"):
        raise InvalidEvent(index, "the traits are not a JSON object")
