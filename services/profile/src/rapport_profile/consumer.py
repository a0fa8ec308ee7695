"""Which handler takes which topic."""

from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Subscription
from rapport_profile.handlers.events import on_events

SUBSCRIPTIONS = [Subscription(EVENTS, on_events)]
