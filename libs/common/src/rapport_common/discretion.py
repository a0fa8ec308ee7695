"""What a log may say of an error: what went wrong and where, never whose data it was.

Messages of exceptions repeat the values that caused them: a database's the row, a parser's the
text. So known kinds are told by what their authors promise to be free of values, others with their
quotations left out; and whatever text is written, what looks like an address, a credential or the
token of a link is replaced. Logs are read by more people, and kept longer, than the data.
"""

import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

_DATA_EXCEPTION = "22"
"""Class of SQLSTATEs whose messages quote a value (PostgreSQL, appendix A)."""

_PLAIN = (OSError, KafkaError, asyncpg.InterfaceError, RuntimeError, TimeoutError)
"""Their messages are about connections, files and states."""

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`""", re.DOTALL)
_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?m)\b(DETAIL|HINT|CONTEXT|WHERE):.*$"), r"\1: [hidden]"),
    (re.compile(r"(query argument \$\d+): .*"), r"\1: [hidden]"),
    (re.compile(r"(\w+://[^\s:/@]*):[^\s@/]+@"), r"\1:[password]@"),
    (re.compile(r"\brk_[0-9a-f]{6,}_[0-9a-f]+"), "[write key]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\b(basic|bearer) +[\w.~+/=-]{8,}"), r"\1 [credential]"),
    (re.compile(r"(/(?:s|u|c|o|v1/webhook)/)[^\s/?#\"')]+"), r"\1[token]"),
    (re.compile(r"(?i)([?&](?:write_?key|api_?key|token|key|data|e)=)[^\s&#\"')]+"), r"\1[hidden]"),
    (
        re.compile(r"[^\s@<>\"'()\[\]{},;:=]+@[^\s@<>\"'()\[\]{},;:]+\.[^\s@<>\"'()\[\]{},;:]+"),
        "[address]",
    ),
    (re.compile(r"\+\d[\d ()-]{6,}\d"), "[phone]"),
)
MAX_TEXT = 20_000


def scrubbed(text: str) -> str:
    """`text` without what looks like an address, a phone, a credential or a link's token."""
    text = text[:MAX_TEXT]
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


def told(error: BaseException) -> str:
    """An error in a line: its kind, and as much of its message as has no values in it."""
    name = type(error).__name__
    said = _said(error)
    return f"{name}: {said}" if said else name


def _said(error: BaseException) -> str:
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return told(cause) if cause is not None else ""
    if isinstance(error, asyncpg.PostgresError):
        return _of_postgres(error)
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_context=False, include_url=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in found)
    text = str(error)
    plain = isinstance(error, _PLAIN) and not isinstance(error, ValueError)
    return scrubbed(text if plain else _QUOTED.sub("'…'", text))


def _of_postgres(error: asyncpg.PostgresError) -> str:
    state = str(error.sqlstate or "")
    message = "" if state.startswith(_DATA_EXCEPTION) else scrubbed(str(error.args[0]))
    place = [
        f"{part}={found}"
        for part in ("schema_name", "table_name", "column_name", "constraint_name")
        if (found := getattr(error, part, None))
    ]
    return " ".join(filter(None, (f"[{state}]", message, *place)))


def traced(error: BaseException) -> str:
    """The traceback of an error and of those that led to it, each told without values."""
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "\nWhich led to:\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield told(error)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            if id(one) not in seen:
                yield from _lines(one, seen)


def discreet(_logger: Any, _method: str, entry: Any) -> Any:
    """A structlog processor: errors are told, tracebacks made, and texts scrubbed."""
    error = _raised(entry.pop("exc_info", None))
    if error is not None:
        entry["exception"] = traced(error)
    for name, value in entry.items():
        if isinstance(value, BaseException):
            entry[name] = told(value)
        elif isinstance(value, str) and name != "exception":
            entry[name] = scrubbed(value)
    return entry


def _raised(found: Any) -> BaseException | None:
    if isinstance(found, tuple):
        found = found[1]
    elif found is True:
        found = sys.exc_info()[1]
    return found if isinstance(found, BaseException) else None
