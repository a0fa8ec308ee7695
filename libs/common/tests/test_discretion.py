"""Logs say what went wrong, and never whose data it was."""

import io
import json
import logging as stdlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.discretion import scrubbed, told, traced

SECRET = "Zebra-7781"
ADDRESS = f"{SECRET}@customer.example"


class Person(BaseModel):
    """What a request may bring."""

    email: str = Field(max_length=3)


@pytest.mark.parametrize(
    "text_",
    [
        f"mail to {ADDRESS} refused",
        f"550 <{ADDRESS}>: unknown",
        f"GET /s/{SECRET} 200",
        f"GET https://shop.example.com/u/{SECRET}?x=1",
        f"POST /v1/webhook/{SECRET}",
        f"GET /v1/pixel.gif?writeKey={SECRET}&data=1",
        f"GET /e/?api_key={SECRET}",
        f"Authorization: Bearer {SECRET}.x",
        f"Authorization: Basic {SECRET}",
        "key rk_0123456789ab_00000000000000000000000000007781",
        f"duplicate key\nDETAIL:  Key (value)=({SECRET}) already exists.",
        f"invalid input for query argument $3: {SECRET!r} (a bytes-like object is needed)",
        f"postgresql://ingest:{SECRET}@127.0.0.1:5432/rapport",
        "call +49 170 7781 7781",
    ],
)
def test_texts_are_scrubbed(text_: str) -> None:
    found = scrubbed(text_)
    assert SECRET not in found
    assert "7781" not in found
    assert found[:4] == text_[:4]


def _pydantic() -> None:
    Person(email=ADDRESS)


def _key() -> None:
    raise KeyError(SECRET)


def _number() -> None:
    float(SECRET)


def _chained() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        raise RuntimeError("import failed") from error


def _grouped() -> None:
    message = "several"
    raise ExceptionGroup(message, [ValueError(repr(SECRET)), KeyError(SECRET)])


@pytest.mark.parametrize("fail", [_pydantic, _key, _number, _chained, _grouped])
def test_errors_are_told_without_their_values(fail: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of many kinds
        fail()
    assert SECRET not in traced(caught.value)
    assert fail.__name__ in traced(caught.value)
    assert told(caught.value).startswith(type(caught.value).__name__)


async def _broken(engine: AsyncEngine, statement: str, value: object) -> BaseException:
    async with engine.connect() as tx:
        await tx.execute(text("CREATE TEMP TABLE person (email text UNIQUE, n int)"))
        await tx.execute(text("INSERT INTO person (email) VALUES (:email)"), {"email": ADDRESS})
        with pytest.raises(DBAPIError) as caught:
            await tx.execute(text(statement), {"value": value})
        await tx.rollback()
    return caught.value


@pytest.mark.integration
@pytest.mark.parametrize(
    ("statement", "value", "kind"),
    [
        ("INSERT INTO person (email) VALUES (:value)", ADDRESS, "UniqueViolationError: [23505]"),
        ("SELECT CAST(CAST(:value AS text) AS uuid)", SECRET, "[22P02]"),
        ("SELECT CAST(:value AS integer)", SECRET, "DataError"),
        ("UPDATE nowhere SET x = :value", SECRET, "UndefinedTableError: [42P01]"),
    ],
)
async def test_a_database_error_says_which_and_where(
    engine: AsyncEngine, statement: str, value: object, kind: str
) -> None:
    error = await _broken(engine, statement, value)
    assert SECRET not in str(error).split("DETAIL")[0].split("$1")[0].split('"')[0]
    for shown in (told(error), traced(error)):
        assert SECRET not in shown
        assert kind in shown


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root = stdlib.getLogger()
    before, level = root.handlers[:], root.level
    logging.configure("segment")
    written = io.StringIO()
    root.handlers[0].setStream(written)  # type: ignore[attr-defined] # the one that writes to stdout
    try:
        yield written
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_all_ways_to_the_log_are_discreet() -> None:
    error = ValueError(f"no such thing: {SECRET!r}")
    with logged() as written:
        ours, foreign = logging.get("ours"), stdlib.getLogger("foreign")
        ours.warning("a value", error=error, path=f"/s/{SECRET}", n=1)
        foreign.error("mail to %s failed", ADDRESS)
        try:
            raise error
        except ValueError as raised:
            ours.error("with a traceback", exc_info=raised)
            ours.exception("the one at hand")
            foreign.exception("theirs")
    found = [json.loads(one) for one in written.getvalue().splitlines()]
    assert [one["event"] for one in found] == [
        "a value",
        "mail to [address] failed",
        "with a traceback",
        "the one at hand",
        "theirs",
    ]
    assert SECRET not in json.dumps(found)
    assert all("test_all_ways" in one["exception"] for one in found[2:])
