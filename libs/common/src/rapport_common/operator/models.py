"""What the routes of every consumer and relay answer. Times are UTC."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from rapport_common.paging import Listed


class Position(BaseModel):
    """How far a consumer has read one partition."""

    topic: str
    partition: int
    next_offset: int


class Positions(Listed[Position]):
    """How far a consumer has read, and the processes of it that have stopped, with the reason."""

    stopped: list[dict[str, Any]]


class Resumed(BaseModel):
    """Which processes had stopped, and are told to go on."""

    resumed: bool
    stopped: list[dict[str, Any]]


class ShownDeadLetter(BaseModel):
    """A record that could not be applied; `workspace` is null when it can't be read.

    `version` is the one its header told, null when it had none, and 0 when that can't be read.
    """

    id: int
    workspace: str | None
    topic: str
    version: int | None
    partition: int
    offset: int
    reason: str
    created_at: datetime
    replayed_at: datetime | None
    value: Any


class Replayed(BaseModel):
    """A dead letter that was applied."""

    id: int
    replayed_at: datetime


class ShownParkedKey(BaseModel):
    """A key that keeps failing, and how much waits behind it."""

    id: int
    workspace: str | None
    topic: str
    partition: int
    key: str
    records: int
    reason: str
    attempts: int
    next_try_at: datetime
    parked_at: datetime


class ShownParkedRecord(BaseModel):
    """A record that waits behind a parked key."""

    offset: int
    value: Any


class Released(BaseModel):
    """What became of the records behind a parked key."""

    id: int
    applied: int
    dead_lettered: int
    left: int | None
    error: str | None


class DiscardedKey(BaseModel):
    """How many records were discarded with a parked key."""

    id: int
    discarded: int


class RefusedRow(BaseModel):
    """A record that Kafka will not take; a value of more than 64 KiB is not shown."""

    id: int
    workspace: str | None
    topic: str
    version: int | None
    key: str
    bytes: int
    reason: str
    created_at: datetime
    refused_at: datetime
    value: Any


class Row(BaseModel):
    """The row that something was done with."""

    id: int


class Ledger(BaseModel):
    """What a consumer has read, by topic, and what it counted, over all workspaces."""

    consumed: dict[str, int]
    skipped: dict[str, int] = Field(description="by an operator, or before the log's start")
    dead_letters: dict[str, int]
    parked: dict[str, int]
    tallies: dict[str, int]
    outbox: int
    outbox_refused: int
