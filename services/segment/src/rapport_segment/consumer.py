"""Which topics the service reads, and who handles them."""

from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.kafka.batch import Subscription
from rapport_segment.handlers.activity import ActivityHandler


def subscriptions(activity: ActivityHandler) -> list[Subscription]:
    """{topic: handler}."""
    return [Subscription(PROFILE_ACTIVITY, activity.on_activity)]
