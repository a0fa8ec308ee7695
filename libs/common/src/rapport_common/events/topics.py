"""The one registry of topics. Kafka's topics, docs, schemas and run-time checks come from it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rapport_common.events import activity_v2, envelope_v1, privacy_v1
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.activity_v2 import ProfileActivityV2
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.envelope import Event
from rapport_common.events.envelope_v1 import EventV1
from rapport_common.events.keys import Key
from rapport_common.events.membership import Membership
from rapport_common.events.message import MessageRequest
from rapport_common.events.needs import ConsentNeeds
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.privacy_v1 import PrivacyRecordV1
from rapport_common.events.profile import ProfileActivityV1
from rapport_common.events.scores import ProfileScores
from rapport_common.events.trait import TraitDefinition

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the field knows it, plus who may write and read it.

    `versions` are the record types, oldest first: producers write the last one, consumers read
    all. `upcasts` are the pure functions between them: the first one makes a record of version 2
    of one of version 1, and so on.
    """

    name: str
    key: Key
    versions: tuple[type[Any], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    description: str
    retention_ms: int = 72 * HOUR_MS
    partitions: int = 12
    max_message_bytes: int = 1_048_588
    upcasts: tuple[Callable[[Any], Any], ...] = ()

    record: type[Any] = field(init=False)
    """The newest version's record type."""

    version: int = field(init=False)
    """The newest version's number."""

    def __post_init__(self) -> None:
        if len(self.upcasts) != len(self.versions) - 1:
            message = f"{self.name}: each version but the newest has one function to the next"
            raise ValueError(message)
        # Kept, not asked for: both are wanted for each record that is made.
        object.__setattr__(self, "record", self.versions[-1])
        object.__setattr__(self, "version", len(self.versions))


EVENTS = Topic(
    name="events",
    key=Key.PERSON,
    versions=(EventV1, Event),
    upcasts=(envelope_v1.from_v1,),
    producers=("ingest", "campaign", "feedback", "profile"),
    consumers=("profile", "ingest"),
    description="Every validated fact about a person, from outside or from the services. "
    "profile folds it; ingest reads it to answer where an event is, and to replay.",
)
PROFILE_ACTIVITY = Topic(
    name="profile.activity",
    key=Key.PROFILE,
    versions=(ProfileActivityV1, ProfileActivityV2, ProfileActivity),
    upcasts=(activity_v2.from_v1, activity_v2.from_v2),
    producers=("profile",),
    consumers=("segment", "campaign", "feedback"),
    description="Each event as applied to a profile, with the profile's version and the sections "
    "of it that changed; merges and splits.",
)
PROFILE_TRAIT = Topic(
    name="profile.trait",
    key=Key.TRAIT,
    versions=(TraitDefinition,),
    producers=("profile",),
    consumers=("segment",),
    description="A computed trait was defined, changed or ended; each is told again once a day, "
    "so that who begins to read knows them all.",
)
PROFILE_SCORES = Topic(
    name="profile.scores",
    key=Key.PROFILE,
    versions=(ProfileScores,),
    producers=("segment",),
    consumers=("segment", "profile"),
    description="What models say of people: segment tells the scores of RFM that have changed. "
    "Models of your own may write here, too; their scores are conditions of segments.",
)
CONSENT_NEEDS = Topic(
    name="consent.needs",
    key=Key.WORKSPACE,
    versions=(ConsentNeeds,),
    producers=("profile",),
    consumers=("campaign",),
    description="For which purposes a workspace's consent rules want an explicit yes; told at each "
    "change, and again once a day, so that who begins to read knows it.",
)
SEGMENT_MEMBERSHIP = Topic(
    name="segment.membership",
    key=Key.PROFILE,
    versions=(Membership,),
    producers=("segment",),
    consumers=("campaign", "feedback"),
    description="Someone entered or left a segment, and why.",
)
SEGMENT_DEFINITION = Topic(
    name="segment.definition",
    key=Key.SEGMENT,
    versions=(SegmentDefinition,),
    producers=("segment",),
    consumers=("campaign",),
    description="A segment was made, changed or archived; each is told again once a day, so "
    "that who begins to read knows them all.",
)
MESSAGE_REQUESTS = Topic(
    name="message.requests",
    key=Key.PROFILE,
    versions=(MessageRequest,),
    producers=("feedback", "campaign"),
    consumers=("campaign",),
    description="One transactional message to one person.",
)
PRIVACY = Topic(
    name="privacy",
    key=Key.PROFILE,
    versions=(PrivacyRecordV1, PrivacyRecord),
    upcasts=(privacy_v1.from_v1,),
    producers=SERVICES,
    consumers=SERVICES,
    description="Forget a person everywhere, or tell all that is known; what each service answers.",
)

TOPICS = (
    EVENTS,
    PROFILE_ACTIVITY,
    PROFILE_TRAIT,
    PROFILE_SCORES,
    CONSENT_NEEDS,
    SEGMENT_MEMBERSHIP,
    SEGMENT_DEFINITION,
    MESSAGE_REQUESTS,
    PRIVACY,
)


class UndeclaredFlowError(RuntimeError):
    """A service tried to write or read a topic that the registry does not grant it."""


def require_producer(topic: Topic, service: str) -> None:
    """Refuse a service that is not listed as a producer of the topic."""
    if service not in topic.producers:
        message = f"{service} is not declared as a producer of {topic.name} in events/topics.py"
        raise UndeclaredFlowError(message)


def require_consumer(topic: Topic, service: str) -> None:
    """Refuse a service that is not listed as a consumer of the topic."""
    if service not in topic.consumers:
        message = f"{service} is not declared as a consumer of {topic.name} in events/topics.py"
        raise UndeclaredFlowError(message)


def topics_of(service: str) -> list[Topic]:
    """The topics a service writes or reads."""
    return [one for one in TOPICS if service in one.producers + one.consumers]
