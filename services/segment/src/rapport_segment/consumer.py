"""Which topic goes to which handler."""

from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.kafka.batch import Subscription
from rapport_segment.handlers.activity import Judging

SUBSCRIPTIONS = [Subscription(PROFILE_ACTIVITY, Judging().on_activity)]
