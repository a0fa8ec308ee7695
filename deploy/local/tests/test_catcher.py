"""The mail catcher keeps what is said to it at one go, as it offers."""

import asyncio
from pathlib import Path

from aiosmtpd.smtp import SMTP

from rapport_local.catcher import Catcher
from rapport_local.ports import HOST

ENVELOPE = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
FOUR_ANSWERS = 4


async def test_a_body_and_the_next_envelope_come_together(tmp_path: Path) -> None:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / folder).mkdir()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Catcher(tmp_path), hostname="localhost", loop=loop), HOST, 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    await reader.readline()
    writer.write(b"EHLO x.example\r\n")
    assert b"250-PIPELINING\r\n" in await reader.readuntil(b"250 HELP\r\n")
    writer.write(ENVELOPE)
    await reader.readuntil(b"354 ")
    await reader.readline()
    writer.write(b"Subject: 1\r\n.\r\n" + ENVELOPE)
    answers = [await reader.readline() for _ in range(FOUR_ANSWERS)]
    assert [one[:3] for one in answers] == [b"250", b"250", b"250", b"354"]
    writer.write(b"Subject: 2\r\n.\r\nQUIT\r\n")
    await reader.read()
    writer.close()
    server.close()
    kept = sorted(one.read_bytes().splitlines()[-1] for one in (tmp_path / "new").iterdir())
    assert kept == [b"Subject: 1", b"Subject: 2"]
