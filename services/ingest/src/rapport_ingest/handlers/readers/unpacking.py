"""Gzip, known by its first bytes (RFC 1952), and lines of bytes with a bound."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from rapport_common.errors import InvalidRequestError

MAGIC = b"\x1f\x8b"
MAX_ROW_BYTES = 4 * 2**20
"""A longer line or quoted cell is no row: far more than an event may have."""

BUFFER_BYTES = 2**18


def unpacked(file: BinaryIO) -> BinaryIO:
    """The file, or what is in it when it is packed; seekable either way."""
    magic = file.read(len(MAGIC))
    file.seek(0)
    if magic == MAGIC:
        return io.BufferedReader(gzip.GzipFile(fileobj=file, mode="rb"), BUFFER_BYTES)
    return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", file), BUFFER_BYTES))


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

    def skip(self) -> None:
        """Go behind the end of the present line."""
        while (line := self.next()) and not line.endswith(b"\n"):
            pass

    def back(self, offset: int) -> None:
        """Go to an earlier offset."""
        with damage_told():
            self._file.seek(offset)
        self.offset = offset
