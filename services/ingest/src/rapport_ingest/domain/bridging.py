"""Bridges from MQTT brokers: how they are declared, and how a message becomes an event.

A message is offered to the mapping as `{"topic": …, "levels": {…}, "payload": …}`: the whole
topic, its named levels, and the payload, which is JSON, else text.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.mapping import Mapper, Mapping, MappingError
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.topics import TopicPattern

DIALECT = "mqtt"
"""How what came over a bridge is marked in the quarantine."""

MAX_RECEIVE = 65_535
TIMES = frozenset({"timestamp", "originalTimestamp", "sentAt"})
DIGEST = 40

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Broker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a broker is; `ca_file` holds the authorities to trust in place of the system's."""

    host: str
    port: int = 1883
    tls: bool = False
    ca_file: str | None = None
    username: str | None = None
    password: str | None = None
    version: Literal["5", "3.1.1"] = "5"
    keepalive_seconds: int = 60


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages, and how an event is made of each."""

    pattern: str
    mapping: Mapping


class BridgeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bridge: from topics of a broker to a source.

    `receive_maximum` is how many messages may be unacknowledged at once (MQTT 5).
    """

    id: str
    workspace: str
    source: str
    broker: str
    topics: tuple[Topic, ...]
    client_id: str | None = None
    receive_maximum: int = 500


class BridgeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `RAPPORT_MQTT_BRIDGES` names."""

    brokers: dict[str, Broker]
    bridges: tuple[BridgeSpec, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the broker gave it."""

    topic: str
    payload: bytes


class Translator:
    """The topics of a bridge made ready. ValueError says what is wrong with them."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        if not topics:
            message = "a bridge needs a topic"
            raise ValueError(message)
        self._topics = [
            (TopicPattern(one.pattern), Mapper(one.mapping), TIMES & one.mapping.fields.keys())
            for one in topics
        ]

    @property
    def filters(self) -> list[str]:
        """What the broker is asked for."""
        return list(dict.fromkeys(pattern.filter for pattern, _, _ in self._topics))

    def original(self, message: Message) -> msgspec.Raw:
        """The message as its mapping sees it, and as the quarantine keeps it."""
        levels: dict[str, str] = {}
        for pattern, _, _ in self._topics:
            if (found := pattern.match(message.topic)) is not None:
                levels = found
                break
        row = {"topic": message.topic, "levels": levels, **_payload(message.payload)}
        return msgspec.Raw(_encode(row))

    def event(self, original: msgspec.Raw, spare_id: str) -> msgspec.Raw:
        """The event in Segment's shape; UnfitError says why there is none.

        The first pattern that matches counts. The id is the mapping's. Without one a message
        with a time of its publisher's gets its digest, so that a copy is known as one, and any
        other gets `spare_id`: two equal readings are two events.
        """
        row: dict[str, Any] = _decode(original)
        for pattern, mapper, times in self._topics:
            if (levels := pattern.match(row["topic"])) is not None:
                row["levels"] = levels  # a kept message may be of a time before this pattern
                return _made(mapper, row, times, original, spare_id)
        reason = (
            "No topic pattern of the bridge matches; it may be left from an older subscription."
        )
        raise UnfitError("no_mapping", "", reason, message_id=spare_id)


def read_bridges(text: bytes) -> BridgeFile:
    """The bridges of a file. ValueError or AppError say what is wrong with it."""
    found = msgspec.json.decode(text, type=BridgeFile)
    ids = [(one.workspace, one.id) for one in found.bridges]
    if len(set(ids)) != len(ids):
        message = "two bridges of a workspace have the same id"
        raise ValueError(message)
    for one in found.bridges:
        if one.broker not in found.brokers:
            message = f"bridge '{one.id}': there is no broker '{one.broker}'"
            raise ValueError(message)
        if not 1 <= one.receive_maximum <= MAX_RECEIVE:
            message = f"bridge '{one.id}': receive_maximum is 1 to {MAX_RECEIVE}"
            raise ValueError(message)
        Translator(one.topics)
    return found


def translators(found: BridgeFile) -> dict[Caller, Translator]:
    """All topics that lead to a source, by source."""
    topics: dict[Caller, list[Topic]] = {}
    for one in found.bridges:
        topics.setdefault(caller_of(one), []).extend(one.topics)
    return {caller: Translator(each) for caller, each in topics.items()}


def caller_of(spec: BridgeSpec) -> Caller:
    """Whose events a bridge brings."""
    return Caller(spec.workspace, spec.source)


def _made(
    mapper: Mapper, row: dict[str, Any], times: Any, original: msgspec.Raw, spare_id: str
) -> msgspec.Raw:
    if "payload_base64" in row:
        reason = "The payload is neither JSON nor text in UTF-8."
        raise UnfitError("invalid_payload", "payload", reason, message_id=spare_id)
    try:
        event = mapper.event([row])
    except MappingError as error:
        raise UnfitError("mapping_failed", error.path, error.reason, message_id=spare_id) from error
    if "messageId" not in event:
        timed = any(one in event for one in times)
        digest = hashlib.sha256(bytes(original)).hexdigest()[:DIGEST]
        event["messageId"] = f"mqtt-{digest}" if timed else spare_id
    return msgspec.Raw(_encode(event))


def _payload(payload: bytes) -> dict[str, Any]:
    try:
        return {"payload": _decode(payload)}
    except UNREADABLE:
        pass
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}
