"""Which topic goes to which handler."""

from rapport_common.events.topics import PROFILE_ACTIVITY, PROFILE_SCORES, PROFILE_TRAIT
from rapport_common.kafka.batch import Subscription
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.scores import Scored
from rapport_segment.handlers.trait import on_trait

SUBSCRIPTIONS = [
    Subscription(PROFILE_ACTIVITY, Judging().on_activity),
    Subscription(PROFILE_TRAIT, on_trait),
    Subscription(PROFILE_SCORES, Scored().on_scores),
]
