"""The floor under a broadcast: claim 1,000 rows, render, MIME, pipelined SMTP, mark 500 at a time.

One table with a row per mail and one index of what is left; no people, permissions, links, events,
leases or retries. Several processes are several floors on one table: `mail_floor.py URL PORT`.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.render import dkim
from rapport_campaign.render.mime import Letter as Words
from rapport_campaign.render.mime import mail_bytes
from rapport_campaign.render.templates import rendered
from rapport_campaign.smtp import Connection, Letter, Server
from rapport_local.ports import HOST

CLAIM, MARK, CONNECTIONS = 1_000, 500, 4
SIGNED = 500
ROOT = Path(__file__).resolve().parents[2]
TABLE = """
DROP TABLE IF EXISTS mail_floor;
CREATE TABLE mail_floor (id bigint PRIMARY KEY, state text NOT NULL, traits json NOT NULL);
INSERT INTO mail_floor SELECT n, 'planned', json_build_object('first_name', 'Ada' || n % 977,
  'city', 'Bern', 'days', n % 9, 'likes', json_build_array('tea', 'books', 'running', 'music'))
FROM generate_series(1, {count}) AS n;
CREATE INDEX ON mail_floor (id) WHERE state = 'planned';
ANALYZE mail_floor;
"""
_CLAIM = """UPDATE mail_floor SET state = 'sending' WHERE id IN (SELECT id FROM mail_floor
  WHERE state = 'planned' ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id, traits"""
_MARK = "UPDATE mail_floor SET state = 'sent' WHERE id = ANY($1)"


class _Source:
    """The mails of one claim; each is rendered when a connection takes it."""

    def __init__(self, rows: list[asyncpg.Record], page: str, subject: str) -> None:
        self._rows = deque(rows)
        self._page, self._subject = page, subject
        self._again: list[Letter] = []
        self._ids: dict[Letter, int] = {}
        self.done: list[int] = []

    def take(self) -> Letter | None:
        if self._again:
            return self._again.pop()
        if not self._rows:
            return None
        row = self._rows.popleft()
        letter = Letter(
            "news@shop.example",
            f"p{row['id']}@example.com",
            _mail(row["id"], row["traits"], self._page, self._subject),
        )
        self._ids[letter] = row["id"]
        return letter

    def put_back(self, letter: Letter) -> None:
        self._again.append(letter)

    def ended(self, letter: Letter, _outcome: Outcome) -> None:
        self.done.append(self._ids.pop(letter))


def _mail(number: int, traits: str, page: str, subject: str) -> bytes:
    import json  # noqa: PLC0415 - what a floor needs, and nothing else

    values = {
        "profile": {"traits": json.loads(traits), "computed": {"revenue": {"USD": 1}}},
        "unsubscribe_url": f"https://shop.example/u/{number}",
    }
    html = rendered(page, values, html=True)
    words = Words(
        from_address="Shop <news@shop.example>",
        to_address=f"p{number}@example.com",
        subject=rendered(subject, values, html=False),
        html=html,
        text=html,
        date=datetime.now(UTC),
        message_id=f"{number}@shop.example",
    )
    return mail_bytes(words)


async def work(url: str, port: int, page: str, subject: str) -> None:
    """Until nothing is left."""
    claims, marks = await asyncpg.connect(url), await asyncpg.connect(url)
    server = Server(host=HOST, port=port, timeout=30, greeting="bench.example")
    connections = [Connection(server) for _ in range(CONNECTIONS)]
    try:
        while rows := await claims.fetch(_CLAIM, CLAIM):
            source = _Source(rows, page, subject)
            async with asyncio.TaskGroup() as group:
                for one in connections:
                    group.create_task(one.hand_over(source))
            for first in range(0, len(source.done), MARK):
                await marks.execute(_MARK, source.done[first : first + MARK])
    finally:
        for one in connections:
            await one.close()
        await claims.close()
        await marks.close()


def rate(url: str, port: int, count: int, processes: int) -> tuple[float, float]:
    """Mails a second of so many processes, with their start left out; and the processor that one
    mail takes of them, in microseconds: what else the machine does moves it little.
    """
    argv = [sys.executable, str(Path(__file__)), url, str(port)]
    uvloop.run(_make(url, count))
    started = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        for _ in range(processes)
    ]
    for one in started:
        assert one.stdout is not None
        one.stdout.readline()
    before = [_spent(one.pid) for one in started]
    began = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    for one in started:
        one.communicate(b"go\n")
    seconds = time.perf_counter() - began
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = ended.ru_utime + ended.ru_stime - used.ru_utime - used.ru_stime - sum(before)
    return count / seconds, spent * 1e6 / count


def signatures() -> list[tuple[str, float]]:
    """The processor that DKIM takes for a mail, in microseconds, by kind of key."""
    letter = _mail(1, '{"likes": []}', "<p>Hello</p>\n" * 400, "Hello")
    found = []
    for name, private in (
        ("RSA-2048", generate_private_key(65537, 2048)),
        ("Ed25519", Ed25519PrivateKey.generate()),
    ):
        keys = [dkim.Key("shop.example", "s1", private)]
        began = time.process_time()
        for _ in range(SIGNED):
            dkim.signed(letter, keys, datetime.now(UTC))
        found.append((name, (time.process_time() - began) * 1e6 / SIGNED))
    return found


def _spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def _make(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLE.format(count=count))
    finally:
        await connection.close()


def main() -> None:
    """Say that it is ready, wait for the word, and send."""
    from tests.bench.recipients import HTML, SUBJECT  # noqa: PLC0415 - found by the path set below

    print("ready", flush=True)
    sys.stdin.readline()
    uvloop.run(work(sys.argv[1], int(sys.argv[2]), HTML, SUBJECT))


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    main()
