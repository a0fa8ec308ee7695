"""Which topic goes to which handler."""

from rapport_campaign.handlers.consume import (
    on_activity,
    on_definition,
    on_membership,
    on_requests,
)
from rapport_common.events.topics import (
    MESSAGE_REQUESTS,
    PROFILE_ACTIVITY,
    SEGMENT_DEFINITION,
    SEGMENT_MEMBERSHIP,
)
from rapport_common.kafka.batch import Subscription

SUBSCRIPTIONS = (
    Subscription(PROFILE_ACTIVITY, on_activity),
    Subscription(SEGMENT_MEMBERSHIP, on_membership),
    Subscription(SEGMENT_DEFINITION, on_definition),
    Subscription(MESSAGE_REQUESTS, on_requests),
)
