"""How far a batch has got: what a kill of the sender leaves behind on its own machine.

The database says what a sender has in its hands, and not how far it has got: a write for each mail
would cost more than the mail. A byte for each in a file that is mapped into memory costs nothing
and outlives the process, as the kernel keeps it. So whoever comes after a kill finds what was never
begun, and that goes on; and what the server has taken, or refused, and that is written down. What
was begun and not answered may be out. A file of before a restart of the machine says nothing, since
the last bytes may not have reached the disk.

The file is locked (flock) while its process lives, also a frozen one: nobody else reads it then.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from rapport_campaign.domain.delivery import Result as Outcome
from rapport_campaign.domain.model import MessageKey
from rapport_common import logging

log = logging.get(__name__)

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SUFFIX = ".batch"
_NOT_YET, _BEGUN, _TAKEN, _REFUSED = map(ord, "-+yn")
_MARKS: dict[Outcome, int] = {"sent": _TAKEN, "failed": _REFUSED, "uncertain": _BEGUN}
_LINE = b"\n"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A message of a batch, and for whom it was planned."""

    workspace: str
    send_key: str
    profile_id: str

    @property
    def key(self) -> MessageKey:
        """Its place."""
        return (self.workspace, self.send_key)


class _Head(msgspec.Struct, frozen=True):
    boot: str
    token: str
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Left:
    """What a sender that is dead had in its hands under a token.

    Of what it had not begun, or was not taken this time, the server has nothing.
    """

    token: str
    untouched: list[Entry]
    taken: list[Entry]
    refused: list[Entry]
    path: Path


class Page:
    """One batch under way: where each message has its byte."""

    def __init__(self, begun: "mmap.mmap | None", places: Mapping[MessageKey, int]) -> None:
        self._begun = begun
        self._places = places

    def begin(self, key: MessageKey) -> None:
        """This message of the batch is begun; before a byte of it leaves."""
        self._write(key, _BEGUN)

    def end(self, key: MessageKey, result: Outcome) -> None:
        """What came of it; what may go once more is as if it had not been begun."""
        self._write(key, _MARKS.get(result, _NOT_YET))

    def _write(self, key: MessageKey, mark: int) -> None:
        if self._begun is not None:
            self._begun[self._places[key]] = mark


class Journal:
    """The files of the senders of this machine; where there can be none, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if folder is not None and _boot() else None
        self._is_silent = False

    @contextmanager
    def batch(self, token: str, entries: Sequence[Entry]) -> Iterator[Page]:
        """Keep which of these are begun, until the block ends: then all is written down."""
        head = msgspec.json.encode(_Head(_boot(), token, list(entries))) + _LINE
        opened = self._opened(token, head + bytes([_NOT_YET]) * len(entries)) if entries else None
        if opened is None:
            yield Page(None, {})
            return
        file, path = opened
        with file, mmap.mmap(file.fileno(), 0) as mapped:
            yield Page(mapped, {one.key: at for at, one in enumerate(entries, len(head))})
            path.unlink(missing_ok=True)

    def _opened(self, token: str, content: bytes) -> tuple[BinaryIO, Path] | None:
        """A new file, locked; None where nothing can be kept: a batch goes all the same."""
        if self._folder is None:
            return None
        path = self._folder / f"{token}{_SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = path.open("xb+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(content)
                file.flush()
            except BaseException:
                file.close()
                raise
        except OSError as error:
            self._complain(error)
            return None
        self._is_silent = False
        return file, path

    def _complain(self, error: OSError) -> None:
        if not self._is_silent:
            log.warning("it is not kept how far batches get; see RAPPORT_DATA_FOLDER", error=error)
        self._is_silent = True

    def left(self) -> list[Left]:
        """What dead senders have left; `forget` each when it is dealt with."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = (_read(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}")))
        return [one for one in found if one is not None]

    @staticmethod
    def forget(left: Left) -> None:
        """It is dealt with."""
        left.path.unlink(missing_ok=True)


def _read(path: Path) -> Left | None:
    """What is left in a file; None while its process lives, or of what says nothing."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        head, _, begun = file.read().partition(_LINE)
        try:
            said = msgspec.json.decode(head, type=_Head)
        except msgspec.MsgspecError:
            # Its process died while it wrote it: before anything was begun, and before its lease.
            said = _Head("", "", [])
        if said.boot != _boot() or len(begun) != len(said.entries):
            log.warning("a batch of before says nothing", file=path.name)
            os.unlink(path)  # noqa: PTH108 - the file that is locked here
            return None
        by_mark: dict[int, list[Entry]] = {one: [] for one in (_NOT_YET, _BEGUN, _TAKEN, _REFUSED)}
        for entry, mark in zip(said.entries, begun, strict=True):
            by_mark[mark].append(entry)
        return Left(said.token, by_mark[_NOT_YET], by_mark[_TAKEN], by_mark[_REFUSED], path)
    return None


def _boot() -> str:
    """This run of the machine; empty where nobody says which it is."""
    with suppress(OSError):
        return _BOOT.read_text().strip()
    return ""
