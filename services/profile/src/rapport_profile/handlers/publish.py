"""Steps of profiles, on their way to `profile.activity`."""

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.codec import encode
from rapport_common.events.profile import NONE_OMITTED
from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.kafka.producer import Outgoing
from rapport_profile import metrics


def outgoing(step: ProfileActivity, traceparent: str | None) -> Outgoing:
    """A step as it is written to the outbox, under the key of its profile."""
    if step.omitted is not NONE_OMITTED:
        metrics.REDUCED.inc()
    key = bytes.fromhex(step.profile_id.replace("-", ""))
    return Outgoing(PROFILE_ACTIVITY.name, key, encode(step), traceparent)
