"""The one function that makes Kafka keys, so that topics about the same thing are parted alike."""

from enum import Enum
from hashlib import blake2b
from typing import Any

from rapport_common.events.envelope import partition_key


class Key(Enum):
    """What a topic's records are keyed by; all records of one key are in one partition."""

    PERSON = "HMAC of workspace and strongest identifier"
    """16 bytes; takes the installation's secret, so that no address shows in the log."""

    PROFILE = "profile id"
    """The 16 bytes of the UUID."""

    SEGMENT = "segment id"
    """The 16 bytes of the UUID."""

    TRAIT = "hash of workspace and name"
    """16 bytes."""

    WORKSPACE = "hash of workspace"
    """16 bytes."""


def kafka_key(kind: Key, record: Any, secret: bytes | None = None) -> bytes:
    """The key of a record by its topic's kind of key; ValueError when it can't have one."""
    if kind is Key.PERSON:
        if secret is None:
            message = "a record about a person is keyed with the installation's secret"
            raise ValueError(message)
        return partition_key(secret, record.workspace, record.strongest())
    if kind is Key.TRAIT:
        return blake2b(f"{record.workspace}\0{record.name}".encode(), digest_size=16).digest()
    if kind is Key.WORKSPACE:
        return blake2b(record.workspace.encode(), digest_size=16).digest()
    told: str = record.profile_id if kind is Key.PROFILE else record.segment_id
    return bytes.fromhex(told.replace("-", ""))
