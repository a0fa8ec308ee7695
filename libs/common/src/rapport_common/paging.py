"""Lists in pages: `{"items": [...], "next": cursor or null}`, by `limit` and an opaque cursor."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field

from rapport_common.errors import InvalidRequestError

T = TypeVar("T")

MAX_LIMIT = 1000
MAX_BIGINT = 2**63 - 1
MAX_CURSOR = 2000

BigId = Annotated[int, Path(ge=1, le=MAX_BIGINT)]
"""A row's id in an address, as far as a column of the database reaches."""


class Listed(BaseModel, Generic[T]):
    """The answer of every list."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most `limit` items, those after `cursor`."""

    limit: int = 100
    cursor: str | None = None

    @property
    def ask(self) -> int:
        """How many rows to read: one more than shown tells whether there is a next page."""
        return self.limit + 1

    def after(self, *kinds: type[Any]) -> tuple[Any, ...] | None:
        """The sort key of the last item of the page before, None at the start of the list.

        `kinds` are the types of its parts (int, str, datetime, UUID). A cursor that is not one
        of this list is an InvalidRequestError (422), whatever is in it.
        """
        if self.cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(self.cursor.encode() + b"=" * (-len(self.cursor) % 4))
            # Subscripted at run time: the types are the caller's.
            key = msgspec.json.decode(raw, type=tuple.__class_getitem__(kinds))
            return tuple(map(_storable, key))
        except (msgspec.MsgspecError, binascii.Error, ValueError, OverflowError) as error:
            message = (
                "cursor: this is not a cursor of this list. Pass `next` of the page before as it "
                "is, or leave it out to begin anew."
            )
            raise InvalidRequestError(message, details={"parameter": "cursor"}) from error

    def answer(
        self,
        rows: Sequence[T],
        *,
        key: Callable[[T], Sequence[Any]],
        show: Callable[[T], Any] = lambda row: row,
        ended_at: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        """The body of a page. `rows` are up to `ask` rows in the list's order, `key` gives the
        sort key of one (unique in the list), `show` what is shown of it. `ended_at`: the sort key
        at which the search for more rows was given up; the next page goes on behind it.
        """
        shown = rows[: self.limit]
        last = key(shown[-1]) if len(rows) > self.limit else ended_at
        return {"items": list(map(show, shown)), "next": None if last is None else _cursor(last)}


def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR, description="`next` of the page before.")
    ] = None,
) -> Page:
    return Page(limit, cursor)


Paging = Annotated[Page, Depends(_page)]
"""The query parameters `limit` and `cursor` of a list."""


def _cursor(key: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode().rstrip("=")


def _storable(value: Any) -> Any:
    """A part of a key as the database can take it; ValueError or OverflowError when it can't."""
    if isinstance(value, int) and not -MAX_BIGINT - 1 <= value <= MAX_BIGINT:
        raise ValueError("beyond a bigint")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a NUL")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("without an offset")
        return value.astimezone(UTC)
    return value
