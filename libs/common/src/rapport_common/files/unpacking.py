"""Packed and recoded files as plain bytes, and lines of bytes with a bound."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from typing_extensions import override

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import INSIDE, Place

GZIP = b"\x1f\x8b"
"""The first bytes of RFC 1952."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NO_TEXT: dict[bytes, str] = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save the sheet as CSV, pack with gzip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "packed with zstd; pack it with gzip, or not at all",
    b"BZh": "packed with bzip2; pack it with gzip, or not at all",
    b"\xfd7zXZ": "packed with xz; pack it with gzip, or not at all",
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file; import it with the format parquet",
}
"""What is sent as a text file and is none, by its first bytes."""

MAX_ROW_BYTES = 4 * 2**20
"""A longer line or quoted cell is no row: far more than an event may have."""

SIGN_BYTES = 2**20
"""After so much without a row a reader tells how far it is: others wait for their turn."""

BUFFER_BYTES = 2**18


def unpacked(file: BinaryIO, most: int, setting: str = "") -> BinaryIO:
    """The file, what is in it when it is packed, as UTF-8 when it is UTF-16; seekable always.

    Reading more than `most` bytes raises InvalidRequestError: a few kilobytes may unfold to
    terabytes. `setting` is the one that says how many, to be named then.
    """
    plain = file
    if file.read(len(GZIP)) == GZIP:
        file.seek(0)
        plain = cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
    plain.seek(0)
    with damage_told():
        head = plain.read(max(map(len, NO_TEXT)))
    plain.seek(0)
    told = next((what for magic, what in NO_TEXT.items() if head.startswith(magic)), None)
    if told is not None:
        raise InvalidRequestError(f"The file is {told}.", code="unreadable_file")
    if head.startswith(UTF_16):
        plain = cast("BinaryIO", io.BufferedReader(_Recoded(plain), BUFFER_BYTES))
    return cast("BinaryIO", io.BufferedReader(_Bounded(plain, most, setting), BUFFER_BYTES))


class _Bounded(io.RawIOBase):
    """A file of which only so many bytes are given."""

    def __init__(self, file: BinaryIO, most: int, setting: str) -> None:
        self._file = file
        self._most = most
        self._setting = f" ({setting})" if setting else ""

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @override
    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`; how many bytes."""
        data = self._file.read(len(buffer))
        if self._file.tell() > self._most:
            message = (
                f"The file unfolds to more than {self._most} bytes, the most that is read of "
                f"one{self._setting}. Cut it in two."
            )
            raise InvalidRequestError(message, code="too_large")
        buffer[: len(data)] = data
        return len(data)


class _Recoded(io.RawIOBase):
    """A file in UTF-16 as UTF-8; going back reads it anew from its start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rewind()

    def _rewind(self) -> None:
        self._file.seek(0)
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._ready = b""
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset < self._at:
            self._rewind()
        scratch = memoryview(bytearray(BUFFER_BYTES))
        while self._at < offset and self.readinto(scratch[: offset - self._at]):
            pass
        return self._at

    @override
    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`; how many bytes."""
        while not self._ready:
            data = self._file.read(BUFFER_BYTES)
            self._ready = self._decoder.decode(data, final=not data).encode()
            if not data and not self._ready:
                return 0
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)


@contextmanager
def damage_told() -> Iterator[None]:
    """InvalidRequestError for a packed file that ends early or is damaged."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"The packed file is damaged or ends early: {error}. Send it again."
        raise InvalidRequestError(message, code="damaged_file") from error


class Lines:
    """Lines of a file from an offset on; `offset` is behind the last one given."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        with damage_told():
            file.seek(offset)
        self._file = file
        self.offset = offset

    def next(self) -> bytes:
        """The next line with its end, cut at MAX_ROW_BYTES; b"" when there is none."""
        with damage_told():
            line = self._file.readline(MAX_ROW_BYTES)
        self.offset += len(line)
        return line

    def skip(self, rows: int) -> Iterator[Place]:
        """Go behind the end of the present line, with a place after each piece of it."""
        while (line := self.next()) and not line.endswith(b"\n"):
            yield Place(INSIDE, self.offset, rows)

    def back(self, offset: int) -> None:
        """Go to an earlier offset."""
        with damage_told():
            self._file.seek(offset)
        self.offset = offset
