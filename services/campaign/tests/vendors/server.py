"""A server that speaks HTTP/1.1 as a provider does, and has moods that no provider admits to."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rapport_common import clock


@dataclass
class Asked:
    """A request as it came: `headers` by their names in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is said, as it is said."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def said(status: int, body: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"content-type": "application/json"}
    return Answer(status, json.dumps(body).encode(), {**kind, **named})


@dataclass
class Mood:
    """What becomes of one message that comes: `answer` instead of the right one; `drops` the
    connection after it was taken; `silent`: it is taken, and nothing is said; `times`: so often.
    """

    answer: Answer | None = None
    drops: bool = False
    silent: bool = False
    times: int = 1


@dataclass
class Record:
    """A message that a provider has taken, as it tells of it later; `reference` is the sender's."""

    number: int
    address: str
    text: str
    at: datetime
    reference: str = ""
    failed: bool = False

    def id_at(self, vendor: str) -> str:
        return f"{vendor}-{self.number}"


class Vendor(ABC):
    """A provider: checks who asks, keeps what it takes, and has the moods that a test sets.

    `taken`: by the address, in their order; `records` are what it tells of them to who asks.
    `code`: what it refuses the next messages with, in its own words.
    """

    name: str
    address: str
    """One that it takes."""
    at_once: bool = False
    """Whether a yes needs no words."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.records: list[Record] = []
        self.asked: list[Asked] = []
        self.moods: deque[Mood] = deque()
        self.code: str | None = None
        self.is_silent = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        """The settings and secrets of a good account."""

    @abstractmethod
    def wrong(self) -> dict[str, str]:
        """Secrets that it does not take."""

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """What it says to a request; it keeps a message by `take`."""

    @abstractmethod
    def refusal(self, code: str) -> Answer:
        """How it says no by a code of its own."""

    def take(self, address: str, text: str) -> str:
        """Keep a message; its id."""
        self.taken.append((address, text))
        self.records.append(Record(len(self.taken), address, text, clock.now()))
        return self.records[-1].id_at(self.name)

    def is_message(self, asked: Asked) -> bool:
        """Whether a request is one for which moods are."""
        return asked.method == "POST"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def decided(self, asked: Asked) -> tuple[Answer, Mood]:
        """The answer to a request, and how it is given."""
        self.asked.append(asked)
        if not self.is_message(asked):
            return self.answer(asked), Mood()
        mood = self.moods.popleft() if self.moods else Mood()
        if mood.answer is not None:
            return mood.answer, mood
        if self.code is not None:
            return self.refusal(self.code), mood
        return self.answer(asked), mood

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # The end of the server, too, is no error of a connection.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self.speak(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while True:
            answer, mood = self.decided(await _read(reader))
            if mood.drops:
                return
            if mood.silent:
                self.is_silent.set()
                await asyncio.Event().wait()
            for _ in range(mood.times):
                writer.write(_written(answer))
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


def _written(answer: Answer) -> bytes:
    named = {"content-length": str(len(answer.body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {answer.status} x\r\n{lines}\r\n".encode("latin-1") + answer.body


Maker = Callable[[], Vendor]
