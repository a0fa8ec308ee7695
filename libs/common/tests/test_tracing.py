"""A record's trace: what is none, or another's header, is no trace and no reason to fail."""

from types import SimpleNamespace
from typing import Any

import pytest

from rapport_common import tracing
from rapport_common.kafka.headers import trace_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ((), None),
        ((("traceparent", TRACE.encode()),), TRACE),
        ((("type", b"event"), ("traceparent", TRACE.encode())), TRACE),
        ((("type", TRACE.encode()),), None),
        ((("traceparent", b"\xff\0evil"),), None),
        ((("traceparent", TRACE.encode() + b"\0"),), None),
        ((("traceparent", None),), None),
    ],
)
def test_only_a_traceparent_is_a_trace(headers: Any, trace: str | None) -> None:
    assert trace_of(SimpleNamespace(headers=headers)) == trace


def test_a_trace_ends_with_its_request() -> None:
    assert tracing.enter(TRACE) == tracing.current() == TRACE
    tracing.leave()
    assert tracing.current() is None
