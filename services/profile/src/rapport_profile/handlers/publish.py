"""Steps of profiles, on their way to `profile.activity`."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.profile import NONE_OMITTED
from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.publisher import Publisher
from rapport_profile import metrics
from rapport_profile.handlers import group_facts, loyalty_facts
from rapport_profile.tables import SCHEMA

_ACTIVITY = Publisher(SCHEMA, PROFILE_ACTIVITY)


async def publish_again(tx: AsyncConnection, steps: Sequence[ProfileActivity]) -> None:
    """Append what was told before; nobody here follows it once more."""
    await _ACTIVITY.publish(tx, [(step, None) for step in steps])


async def publish(tx: AsyncConnection, steps: Sequence[tuple[ProfileActivity, str | None]]) -> None:
    """Append (step, traceparent) to the outbox, each under the key of its profile."""
    reduced = sum(step.omitted is not NONE_OMITTED for step, _trace in steps)
    if reduced:
        metrics.REDUCED.inc(reduced)
    await loyalty_facts.follow(tx, [step for step, _trace in steps])
    await group_facts.follow(tx, [step for step, _trace in steps])
    # Last: see `outbox.append`.
    await _ACTIVITY.publish(tx, steps)
