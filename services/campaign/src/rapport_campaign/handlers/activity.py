"""What `profile.activity` brings: people, and what they say no to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.asking import Asked, asked_of
from rapport_campaign.domain.permission import objections_of
from rapport_campaign.store import contacts, inbox, locks, objections, people, tasks
from rapport_campaign.store.objections import Said
from rapport_campaign.store.people import FOLLOWER
from rapport_common import clock
from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.follower.domain import Following, Key, Overlaid, Step
from rapport_common.kafka.batch import Record


async def on_activity(
    batch: Sequence[Record], tx: AsyncConnection
) -> Mapping[Key, Sequence[Asked]]:
    """Keep the newest of each section of each profile, and what became of ids.

    Who has said a yes on a page that a mail is to confirm.
    """
    for index, record in enumerate(batch):
        _require_object(index, record.value)
    steps = [step for step, _record in FOLLOWER.read(batch)]
    following = (await FOLLOWER.load(tx, steps)).following
    said: dict[Key, Said] = {}
    asked: dict[Key, Sequence[Asked]] = {}
    heirs: dict[Key, str] = {}
    now = clock.now()
    for step in steps:
        new, waits = _heard(following, step, now, heirs)
        said |= new
        asked |= waits
    await FOLLOWER.save(tx, following, people.kept)
    # Whoever sends to one of them has committed by now, or waits and will find the heir.
    await contacts.give(tx, heirs)
    await locks.own_addresses(tx, await objections.replace(tx, said))
    await _inherited(tx, [record.value for record in batch])
    return asked


async def _inherited(tx: AsyncConnection, told: Sequence[ProfileActivity]) -> None:
    """What the one profile was shown in its app the other sees, when both are one person."""
    merged = {(one.workspace, one.profile_id): None for one in told if one.merged_into}
    if merged:
        for (workspace, old), heir in (await people.resolve(tx, list(merged))).items():
            await inbox.inherit(tx, workspace, old, heir)
            await tasks.inherit(tx, workspace, old, heir)


def _heard(
    following: Following, step: Step, now: datetime, heirs: dict[Key, str]
) -> tuple[dict[Key, Said], dict[Key, Sequence[Asked]]]:
    """What profiles say no to by this record, so that the address is heard whoever else has it.

    A merged profile's words stay until its heir's state has them. And what waits for a mail.
    `heirs` is told of merges.
    """
    said: dict[Key, Said] = {}
    asked: dict[Key, Sequence[Asked]] = {}
    for turn in following.apply(step):
        if isinstance(turn, Overlaid):
            if people.CONSENT in turn.taken:
                told = step.record.consent or ()
                said[turn.key] = objections_of(told)
                if waits := asked_of(told, now):
                    asked[turn.key] = waits
        elif turn.survivor is None:
            said[turn.key] = {}
        else:
            heirs[turn.key] = turn.survivor[1]
    absorbed = step.ends if step.versions is not None else ()
    gone: dict[Key, Said] = {one.key: {} for one in absorbed if not following.held[one.key].lives}
    return said | gone, asked


def _require_object(index: int, activity: ProfileActivity) -> None:
    if activity.traits is not None and not bytes(activity.traits).lstrip().startswith(b"{"):
        raise InvalidEvent(index, "the traits are not a JSON object")
