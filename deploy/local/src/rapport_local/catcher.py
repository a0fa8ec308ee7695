"""The process behind the mail catcher: answers 250 only when the mail is safely in the Maildir."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP, Envelope, Session

from rapport_local.errors import is_disk_full
from rapport_local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = count()


def store(maildir: Path, envelope: Envelope) -> None:
    """Write one mail and make it durable before it appears in `new`.

    The envelope, which the mail itself does not show, is kept in two headers on top.
    """
    name = f"{time.time():.6f}.P{os.getpid()}Q{next(_numbers)}.{socket.gethostname()}"
    draft = maildir / "tmp" / name
    with draft.open("wb") as file:
        file.writelines(_lines(envelope))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(maildir / "new" / name)
    _sync_folder(maildir / "new")


def _lines(envelope: Envelope) -> Iterator[bytes]:
    yield f"X-MailFrom: {envelope.mail_from}\r\n".encode()
    yield f"X-RcptTo: {', '.join(envelope.rcpt_tos)}\r\n".encode()
    content = envelope.content or b""
    yield content if isinstance(content, bytes) else content.encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Catcher:
    """The handler aiosmtpd calls for each mail."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, answer: list[str]
    ) -> list[str]:
        """Offer PIPELINING (RFC 2920): commands are read line by line here, however they come."""
        session.host_name = name
        return [answer[0], "250-PIPELINING", *answer[1:]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, in a thread because syncing the disk takes a while."""
        try:
            await asyncio.to_thread(store, self._maildir, envelope)
        except OSError as error:
            print(f"cannot keep a mail: {error}", flush=True)
            if is_disk_full(error):
                return "452 4.3.1 No space left on the mail catcher's disk"
            return "451 4.3.0 The mail catcher cannot write to its Maildir"
        return "250 2.0.0 Kept"


async def serve(port: int, maildir: Path) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def connection() -> SMTP:
        # A fixed host name: asking the resolver can take seconds on a machine without network.
        return SMTP(Catcher(maildir), hostname="localhost", enable_SMTPUTF8=True, loop=loop)

    server = await loop.create_server(connection, HOST, port, backlog=512)
    await stop.wait()
    server.close()


def main() -> None:
    """Run `python -m rapport_local.catcher PORT MAILDIR`."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))


if __name__ == "__main__":
    main()
