"""W3C trace context (https://www.w3.org/TR/trace-context/), carried by hand.

Instrumentation packages have no support for batch consumers, and all that is needed is one
string that travels from the request through the outbox and the Kafka headers.
"""

import re
import secrets
from contextvars import ContextVar

import structlog

HEADER = "traceparent"
_FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def current() -> str | None:
    """The traceparent of the work in hand, if it has one."""
    return _current.get()


def read(header: bytes) -> str | None:
    """A traceparent as it travels; None for what is none, which could not even be stored."""
    text = header.decode("ascii", "replace")
    return text if _FORM.fullmatch(text) else None


def enter(header: str | None) -> str:
    """Continue the trace a caller sent, or start one; binds `trace_id` to the log context."""
    traceparent = header if header and _FORM.fullmatch(header) else _new()
    _current.set(traceparent)
    structlog.contextvars.bind_contextvars(trace_id=traceparent[3:35])
    return traceparent


def leave() -> None:
    """No trace any more: the next request of a connection has none of the last one's."""
    if _current.get() is not None:
        _current.set(None)
        structlog.contextvars.unbind_contextvars("trace_id")


def _new() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
