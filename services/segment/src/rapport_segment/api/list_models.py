"""What is asked of lists, and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from rapport_common.errors import InvalidRequestError
from rapport_common.events.envelope import Identifier
from rapport_common.files.parts import Refusal
from rapport_common.files.rows import Encoding
from rapport_segment.api.models import Name
from rapport_segment.domain.list_rows import ListSpec
from rapport_segment.domain.naming import Refused, named
from rapport_segment.store.lists import Listed

MOST = 1000


class NewList(BaseModel):
    """A list to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "VIP"}]})

    name: Name


class ListChange(BaseModel):
    """What a list shall be called."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "VIPs"}]})

    name: Name


class NamedBy(BaseModel):
    """An identifier: a kind, and a value in any form in which it may be written."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=100)
    value: str = Field(max_length=2000)


class Identifiers(BaseModel):
    """Identifiers to put on a list, or to take off."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"identifiers": [{"kind": "email", "value": "someone@example.com"}]}]
        },
    )

    identifiers: list[NamedBy] = Field(min_length=1, max_length=MOST)


class Moved(BaseModel):
    """How many identifiers were not on the list before, or are not on it any more."""

    changed: int


class ShownList(BaseModel):
    """A list; `members` are the identifiers on it, also those of people who are not known yet."""

    id: UUID
    name: str
    members: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ListMember(BaseModel):
    """An identifier on a list."""

    kind: str
    value: str
    added_at: datetime


class RefusedRow(BaseModel):
    """A row that was not taken, by the line of the file in which it begins, from 1."""

    line: int
    code: str
    reason: str


class _Upload(BaseModel):
    """How a file is to be read."""

    mode: Literal["add", "replace"]
    format: Literal["csv", "jsonl"]
    encoding: Encoding
    delimiter: str | None
    column: list[str]

    def spec(self, list_id: UUID) -> ListSpec:
        """What is to be done; InvalidRequestError for columns that are not KIND=NAME."""
        columns: dict[str, str] = {}
        for one in self.column:
            kind, separator, name = one.partition("=")
            if not (kind and separator and name) or "\0" in one:
                message = f"column: {one[:100]!r} is not KIND=NAME, such as email=Address."
                raise InvalidRequestError(message, details={"path": "column"})
            columns[kind] = name
        return ListSpec(
            list_id=str(list_id),
            form=self.format,
            replaces=self.mode == "replace",
            encoding=self.encoding,
            delimiter=self.delimiter,
            columns=columns,
        )


def _upload(
    mode: Annotated[
        Literal["add", "replace"], Query(description="Replace: what the file lacks goes.")
    ] = "add",
    format: Annotated[Literal["csv", "jsonl"], Query()] = "csv",  # noqa: A002 - the API's word
    encoding: Annotated[Encoding, Query(description="Of CSV.")] = "utf-8",
    delimiter: Annotated[
        str | None,
        Query(pattern=r"^[^\r\n\x00\"]$", description="Of CSV; else it is found."),
    ] = None,
    column: Annotated[
        list[str] | None,
        Query(max_length=100, description="KIND=NAME: a column that is not called as its kind."),
    ] = None,
) -> _Upload:
    return _Upload(
        mode=mode, format=format, encoding=encoding, delimiter=delimiter, column=column or []
    )


UploadParameters = Annotated[_Upload, Depends(_upload)]


def shown_list(one: Listed) -> dict[str, Any]:
    """A `ShownList`."""
    kept = one.kept
    return {
        "id": kept.list_id,
        "name": kept.name,
        "members": one.members,
        "created_at": kept.created_at,
        "updated_at": kept.updated_at,
        "archived_at": kept.archived_at,
    }


def refused_row(one: Refusal) -> dict[str, Any]:
    """A `RefusedRow`."""
    return {"line": one.line, "code": one.code, "reason": one.reason}


def identifiers(body: Identifiers) -> list[Identifier]:
    """In the form in which they are kept; InvalidRequestError names those that are none."""
    found: list[Identifier] = []
    problems: list[dict[str, str]] = []
    for number, one in enumerate(body.identifiers):
        read = named(one.kind, one.value)
        if isinstance(read, Refused):
            problems.append({"path": f"identifiers[{number}]", "message": read.reason})
        else:
            found.append(read)
    if problems:
        first = problems[0]
        message = f"{first['path']}: {first['message']}. Nothing was changed."
        raise InvalidRequestError(message, details={"problems": problems[:100]})
    return found
