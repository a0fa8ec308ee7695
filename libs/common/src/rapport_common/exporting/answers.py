"""An export as the answer to a request: a file that is made while it is sent."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Literal

from fastapi.responses import StreamingResponse
from starlette.types import Send
from typing_extensions import override

from rapport_common.errors import BusyError
from rapport_common.exporting.columns import Column, Row
from rapport_common.exporting.parquet import ParquetWriting
from rapport_common.exporting.texts import CsvWriting, JsonWriting, Writing

Format = Literal["csv", "jsonl", "parquet"]
TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
SILENCE_SECONDS = 60.0
"""For so long a part of a file may wait to be taken; then the answer ends without its end."""

_GZIP = 31
"""What zlib calls the format of gzip's files."""


class File(StreamingResponse):
    """A file as the answer; it ends early when nobody takes it for `silence` seconds."""

    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        name: str,
        form: Format,
        *,
        gzip: bool = False,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        packed = is_packed(form, gzip=gzip)
        super().__init__(
            parts,
            media_type="application/gzip" if packed else TYPES[form],
            headers={
                "Content-Disposition": (
                    f'attachment; filename="{name}.{form}{".gz" if packed else ""}"'
                ),
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            },
        )
        self._parts = parts
        self._silence = silence

    @override
    async def stream_response(self, send: Send) -> None:
        async def sent(message: Any) -> None:
            async with asyncio.timeout(self._silence):
                await send(message)

        try:
            await super().stream_response(sent)
        finally:
            await self._parts.aclose()


class Places:
    """How many exports a process makes at a time."""

    def __init__(self, at_once: int) -> None:
        self._left = at_once

    def require_room(self) -> None:
        """BusyError if as many are made as may be."""
        if self._left <= 0:
            message = "Other exports are being made; ask again when one of them is done."
            raise BusyError(message, retry_after=30)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place. Taken when the file begins: an answer nobody reads must not hold one."""
        self.require_room()
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


def is_packed(form: Format, *, gzip: bool) -> bool:
    """Whether the file as a whole is packed: Parquet packs its columns by itself."""
    return gzip and form != "parquet"


def writing(
    form: Format,
    columns: Sequence[Column[Row]],
    *,
    gzip: bool = False,
    guarded: bool = True,
    named: bool = True,
) -> Writing[Row]:
    """What makes a file of this form; `guarded` and `named` are for CSV."""
    if form == "parquet":
        return ParquetWriting(columns, compression="gzip" if gzip else "snappy")
    if form == "jsonl":
        return JsonWriting(columns)
    return CsvWriting(columns, guarded=guarded, named=named)


async def packed(parts: AsyncGenerator[bytes], *, gzip: bool) -> AsyncGenerator[bytes]:
    """The parts, packed if wanted; a part of nothing is left out."""
    packing = zlib.compressobj(wbits=_GZIP) if gzip else None
    async with aclosing(parts):
        async for part in parts:
            some = packing.compress(part) if packing else part
            if some:
                yield some
    if packing:
        yield packing.flush()
