"""Which handler takes which topic."""

from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Subscription
from rapport_profile import handlers

SUBSCRIPTIONS = [Subscription(EVENTS, handlers.on_events)]
