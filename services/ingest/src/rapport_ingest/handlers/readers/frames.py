"""What a process that reads a file and its parent say to each other, see `process`.

On its own, because a reader needs nothing else of the parent: what it imports it pays each time.
"""

from typing import Any

import msgspec

from rapport_common.files.rows import Place
from rapport_ingest.domain.imports import ImportSpec
from rapport_ingest.domain.rows import Entry
from rapport_ingest.domain.totals import Tally
from rapport_ingest.domain.verdict import Refusal

LENGTH_BYTES = 4


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator's S3 is reached."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to read: the file at `path`, or `bucket/key` in the `store`.

    `place`, `tally` and `fingerprint` are those of an import that goes on; what has been `checked`
    is not checked again. `memory` and `unpacked` are bytes at most, of the process and of what the
    file unfolds to.
    """

    spec: ImportSpec
    job: str
    path: str
    memory: int
    unpacked: int
    store: Store | None = None
    place: Place = Place()
    tally: Tally = Tally()
    checked: bool = False
    fingerprint: str | None = None


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The file is open."""

    size: int
    fingerprint: str
    total: int | None


class Checking(msgspec.Struct, frozen=True, tag="checking"):
    """How far it has been checked, and how many of its bytes were read for it."""

    tally: Tally
    read: int


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """What comparing the file with its last line has found."""

    checks: dict[str, Any]


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """An entry on its way."""

    item: bytes
    id: str
    first: int
    last: int
    size: int
    after: Place
    refusal: Refusal | None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """Some entries, the place behind them, and how many bytes of the file have been read.

    There may be none for long: then the place tells how far it is.
    """

    entries: list[Carried]
    place: Place
    read: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """There are no more."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It can't be read; `passing`: it could be later."""

    code: str
    message: str
    passing: bool = False


Frame = Opened | Checking | Checked | Piece | Ended | Failed
_frames: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)

_encode = msgspec.msgpack.Encoder().encode


def frame_of(data: bytes) -> Frame:
    """The frame of bytes that have come, without their length."""
    return _frames.decode(data)


def framed(frame: Frame) -> bytes:
    """A frame as it goes through the pipe."""
    data = _encode(frame)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def carried(entry: Entry) -> Carried:
    """An entry as it travels."""
    return Carried(
        bytes(entry.item),
        entry.id,
        entry.first,
        entry.last,
        entry.size,
        entry.after,
        entry.refusal,
    )


def arrived(one: Carried) -> Entry:
    """The entry as it was before it travelled."""
    item = msgspec.Raw(one.item)
    return Entry(item, one.id, one.first, one.last, one.size, one.after, one.refusal)
