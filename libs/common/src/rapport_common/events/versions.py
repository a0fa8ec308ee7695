"""What a record says it is, in one Kafka header, and reading every version as the newest."""

import re
from functools import lru_cache
from typing import Any

import msgspec

from rapport_common.discretion import told
from rapport_common.errors import Retry
from rapport_common.events.codec import UNREADABLE
from rapport_common.events.topics import Topic
from rapport_common.wording import plain

HEADER = "record"
"""Its value is `<topic>/<version>`, for example `profile.activity/2`."""

FIRST = 1
"""Of a record that does not say: there were no headers when there was one version of each."""

GARBAGE = 0
"""What is kept as the version of a record whose header can't be read: no reader takes it."""

_NUMBER = re.compile(rb"[1-9][0-9]{0,3}")


class UnreadableError(ValueError):
    """The bytes, or the header, are no record of the topic: nobody will ever read them."""


class UnknownVersionError(Retry):
    """A record of a version that is newer than this program: a newer one will read it."""


@lru_cache(maxsize=64)
def header(topic: str, version: int) -> bytes:
    """The header's value for a record of a topic."""
    return f"{topic}/{version}".encode()


class Reader:
    """Reads the records of one topic, each by its own version, as the newest.

    A record of an older version is brought forward step by step, by the topic's `upcasts`.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._decoders = [msgspec.json.Decoder(one) for one in topic.versions]
        self.newest = topic.version
        self._known = {header(topic.name, one): one for one in range(1, topic.version + 1)}

    def version(self, said: bytes | None) -> int:
        """The version that a header's value tells, known or not; GARBAGE for what is none."""
        found = self._known.get(said or b"")
        if found is not None:
            return found
        name, _, number = (said or b"").rpartition(b"/")
        if name != self._topic.name.encode() or not _NUMBER.fullmatch(number):
            return GARBAGE
        return int(number)

    def read(self, value: bytes | None, version: int | None) -> Any:
        """The record as the topic's newest type; `version` None: it came without a header.

        Raises UnknownVersionError for a newer one, UnreadableError for what is no such record.
        """
        number = FIRST if version is None else version
        if number == GARBAGE:
            message = f"its header '{HEADER}' does not say '{self._topic.name}/<version>'"
            raise UnreadableError(message)
        if number > len(self._decoders):
            message = (
                f"a record of {self._topic.name} is of version {number}, and this program reads "
                f"up to {len(self._decoders)}: a newer one has to"
            )
            raise UnknownVersionError(message)
        try:
            # JSON is UTF-8 (RFC 8259), also where a part is kept as it stands and not looked at.
            str(value or b"", "utf-8")
            record = self._decoders[number - 1].decode(value or b"")
        except UNREADABLE as error:
            raise UnreadableError(plain(error)) from error
        for step in self._topic.upcasts[number - 1 :]:
            try:
                record = step(record)
            except Exception as error:
                message = f"it can't be read as version {self._topic.version}: {told(error)}"
                raise UnreadableError(message) from error
        return record
