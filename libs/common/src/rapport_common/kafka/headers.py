"""What the headers of a record in the log tell."""

from aiokafka import ConsumerRecord

from rapport_common import tracing
from rapport_common.events.versions import HEADER, Reader


def trace_of(one: ConsumerRecord) -> str | None:
    """The trace that a record's header carries on; None for headers of others, or with garbage."""
    for name, value in one.headers:
        if name == tracing.HEADER:
            return tracing.read(value) if value else None
    return None


def version_of(one: ConsumerRecord, reader: Reader) -> int | None:
    """The version that a record's header tells; None when it has none, as those of before."""
    for name, value in one.headers:
        if name == HEADER:
            return reader.version(value)
    return None
