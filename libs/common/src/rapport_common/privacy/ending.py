"""Who is to be forgotten has ended at once for who follows `profile.activity`.

The record that says so is on its way there; whichever is read first, what was told of the person
before is history from then on.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.kafka.batch import Handler, Record
from rapport_common.privacy.eraser import Told


def ended(record: PrivacyRecord) -> list[Record]:
    """That nobody has the person's profile ids any more, as `profile.activity` says it."""
    return [
        Record(
            "profile.activity",
            0,
            index,
            b"",
            ProfileActivity(
                workspace=record.workspace,
                profile_id=one.profile_id,
                version=one.version,
                gone=True,
            ),
        )
        for index, one in enumerate(record.profiles)
    ]


def ending(on_activity: Handler) -> Told:
    """What is done at once with a wish, by the handler of `profile.activity`."""

    async def at_once(tx: AsyncConnection, record: PrivacyRecord) -> None:
        if record.profiles:
            await on_activity(ended(record), tx)

    return at_once
