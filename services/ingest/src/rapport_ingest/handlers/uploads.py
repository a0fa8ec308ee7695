"""Uploaded files: written to disk piece by piece, resumed where they broke off, swept up later."""

import asyncio
import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, ConflictError, InvalidRequestError
from rapport_ingest.store.jobs import JOBS, LIVING, UPLOADING

log = logging.get(__name__)

WRITE_BYTES = 2**20
KEEP_FREE_BYTES = 2**28
"""So much of the disk is left to others."""

SWEEP_SECONDS = 30.0
UPLOAD_AGE = timedelta(days=1)
"""An upload that is not complete by then is given up, and a file without a job deleted."""

NOT_UPLOADED = "The file was not uploaded in time."

_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of the file a request brings: from `start`, of `total` if that is known."""

    start: int
    total: int | None


def part_of(content_range: str | None, content_length: str | None) -> Part:
    """The part a request brings: the whole file, or what `Content-Range` says (RFC 9110, 14.4).

    `bytes */N` without a body only says that all N bytes are there.
    """
    if content_range is None:
        known = content_length is not None and content_length.isascii()
        digits = content_length if known and content_length and content_length.isdecimal() else None
        return Part(0, int(digits[:18]) if digits else None)
    match = _RANGE.fullmatch(content_range.strip())
    if match is None:
        message = "Content-Range: it is 'bytes FIRST-LAST/TOTAL', the bytes counted from 0."
        raise InvalidRequestError(message)
    total = int(match[3])
    return Part(int(match[1]) if match[1] else total, total)


class Uploads:
    """The folder of uploaded files, one per job, named by its id."""

    name = "uploads"

    def __init__(self, engine: AsyncEngine, folder: Path, *, limit: int) -> None:
        self._engine = engine
        self._folder = folder
        self._limit = limit

    def path(self, job: str) -> Path:
        """Where a job's file is. Ids are ours: made here, and looked up before they are used."""
        return self._folder / f"{job}.upload"

    def offset(self, job: str) -> int:
        """How many bytes of the file are there."""
        with suppress(FileNotFoundError):
            return self.path(job).stat().st_size
        return 0

    async def write(self, job: str, part: Part, body: AsyncIterator[bytes]) -> bool:
        """Append a part; True when the file is complete, and on the disk for good.

        AppError: 409 it does not begin where the file ends, 413 too large, 507 no room.
        """
        self._check_size(part.total or 0)
        with self._opened(job, part) as file:
            size = part.start
            pieces: list[bytes] = []
            async for chunk in body:
                pieces.append(chunk)
                size += len(chunk)
                self._check_size(size)
                if part.total is not None and size > part.total:
                    message = f"The body is longer than the {part.total} bytes it was said to have."
                    raise InvalidRequestError(message)
                if sum(map(len, pieces)) >= WRITE_BYTES:
                    await asyncio.to_thread(_write, file, pieces)
                    pieces = []
            await asyncio.to_thread(_write, file, pieces)
            await asyncio.to_thread(_sync, file, self._folder)
            return part.total is None or size == part.total

    @contextmanager
    def _opened(self, job: str, part: Part) -> Iterator[BinaryIO]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free - KEEP_FREE_BYTES
        if (part.total or 0) - part.start > free:
            raise _no_room(free)
        descriptor = os.open(self.path(job), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = "Another request is uploading this file."
                raise ConflictError(message) from error
            present = file.seek(0, os.SEEK_END)
            if part.start not in {0, present}:
                message = f"The file has {present} bytes; go on from there."
                raise ConflictError(message, details={"offset": present})
            file.seek(part.start)
            file.truncate()
            yield file

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            message = f"The file is too large: {self._limit} bytes may be uploaded. Cut it in two."
            raise AppError(message, code="too_large", status=413)

    async def run(self, stop: asyncio.Event) -> None:
        """Delete what no job needs any more, until `stop`."""
        while not stop.is_set():
            try:
                await self.sweep()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("uploads not swept, trying again", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await stop.wait()

    async def sweep(self) -> None:
        """Give up old uploads; delete the files of ended jobs, and old ones of none."""
        paths = {path.stem: path for path in self._folder.glob("*.upload")}
        async with self._engine.begin() as tx:
            await JOBS.cancel_waiting(tx, UPLOADING, UPLOAD_AGE, NOT_UPLOADED)
            states = await JOBS.states(tx, list(paths))
        oldest = time.time() - UPLOAD_AGE.total_seconds()
        for job, path in paths.items():
            state = states.get(job)
            with suppress(FileNotFoundError):
                if state not in LIVING and (state is not None or path.stat().st_mtime < oldest):
                    path.unlink()


def _write(file: BinaryIO, pieces: list[bytes]) -> None:
    data = memoryview(b"".join(pieces))
    try:
        while data:
            data = data[file.write(data) :]
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise _no_room(0) from error
        raise


def _sync(file: BinaryIO, folder: Path) -> None:
    os.fsync(file.fileno())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_room(free: int) -> AppError:
    message = (
        f"The disk of ingest has room for {max(0, free)} more bytes. Free some, point "
        "RAPPORT_DATA_FOLDER elsewhere, or import from S3."
    )
    return AppError(message, code="insufficient_storage", status=507)
