"""What feedback reads from Kafka, and who handles it."""

from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.kafka.batch import Subscription
from rapport_feedback.handlers.activity import on_activity

SUBSCRIPTIONS = [Subscription(PROFILE_ACTIVITY, on_activity)]
