"""What callers read of errors is about their input, in words that everybody knows."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from tests.support.api import patient_app
from tests.support.wording import python_in

from rapport_common.wording import place, plain, told_by_pydantic


class Kind(StrEnum):
    """A choice."""

    ONE = "one"
    TWO = "two"


def fussy(value: str) -> str:
    if "x" in value:
        message = "must not hold an x"
        raise ValueError(message)
    return value


class Inner(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1, le=10)
    text: Annotated[str, AfterValidator(fussy)]


class Outer(BaseModel):
    """Of every type that an API takes."""

    model_config = ConfigDict(extra="forbid")

    inner: Inner
    many: list[Inner] = Field(max_length=1)
    named: dict[str, int]
    choice: Kind
    fixed: Literal["a", "b"]
    either: int | str | list[int] | None
    money: Decimal
    share: float
    flag: bool
    at: datetime
    day: date
    which: UUID
    nothing: None
    short: str = Field(max_length=2, pattern="^a")
    pair: tuple[int, str]
    unique: set[int] = Field(min_length=2)


class Wire(msgspec.Struct, forbid_unknown_fields=True):
    """The same for the readers of events."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    text: str
    share: float
    flag: bool
    many: list[int]
    named: dict[str, int]
    at: datetime
    choice: Kind
    either: int | str | None = None


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("axyz019-:T", max_size=9)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "text", "q"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*Outer.model_fields, "other"], anything)))
def test_a_model_never_speaks_python(value: dict[str, Any]) -> None:
    try:
        Outer.model_validate(value)
    except ValidationError as error:
        for one in error.errors():
            said = f"{place(one['loc'])}: {told_by_pydantic(one['msg'])}"
            assert python_in(said) is None


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*Wire.__struct_fields__, "q"], anything)))
def test_a_reader_never_speaks_python(value: dict[str, Any]) -> None:
    said = ""
    try:
        msgspec.convert(value, Wire)
    except msgspec.ValidationError as error:
        said = plain(error)
    assert python_in(said) is None


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: datetime.fromisoformat(7), "it must be a text"),  # type: ignore[arg-type]
        (lambda: datetime.fromisoformat("soon"), "'soon'"),
        (b"ab\xff".decode, "it is not UTF-8 from byte 2 on"),
        ("\ud800".encode, "it has half a surrogate pair, which is no character"),
        (lambda: msgspec.json.decode(b"[" * 100_000), "it is nested too deeply"),
        (lambda: msgspec.json.decode(b"1", type=str), "Expected `string`, got `integer`"),
    ],
)
def test_what_readers_raise(read: Any, expected: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of many kinds
        read()
    assert plain(caught.value) == expected


def served() -> httpx.AsyncClient:
    app: FastAPI = patient_app("segment")

    @app.post("/outer")
    async def take(outer: Outer) -> str:
        return outer.short

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_json_that_is_sent_as_something_else_is_told_of(kind: str | None) -> None:
    async with served() as client:
        headers = {} if kind is None else {"content-type": kind}
        answer = await client.post("/outer", content=b'{"short": "a"}', headers=headers)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    said = "body: it is read as JSON only with the header `Content-Type: application/json`"
    assert answer.json()["message"] == said


async def test_over_http() -> None:
    async with served() as client:
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff", b'{"inner":7}'):
            sent = {"content-type": "application/json"}
            answer = await client.post("/outer", content=body, headers=sent)
            assert answer.status_code in {400, 422}, body
            assert set(answer.json()) == {"code", "message", "details"}
            assert python_in(answer.text) is None, body
