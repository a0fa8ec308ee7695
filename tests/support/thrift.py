"""What costs a process of tests much and tells none of them anything."""

from functools import cache

import httpx
import pytest
import structlog


def read_authorities_once() -> None:
    """Clients of HTTP share whom they trust: to read it takes each 30 ms, also for plain HTTP."""
    once = cache(httpx.create_ssl_context)
    pytest.MonkeyPatch().setattr("httpx._transports.default.create_ssl_context", once)


def print_errors_plainly() -> None:
    """Errors that are logged are printed as Python does.

    Where rich is installed, structlog would colour the source of each frame, and show its
    variables: a tenth of a second and more for each error, and tests provoke many.
    """
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    *before, _renderer = structlog.get_config()["processors"]
    structlog.configure(processors=[*before, plain])
