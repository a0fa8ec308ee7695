"""Which topic goes to which handler."""

from rapport_campaign.handlers.activity import on_activity
from rapport_campaign.handlers.definition import on_definition
from rapport_campaign.handlers.membership import on_membership
from rapport_campaign.handlers.requests import on_requests
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
