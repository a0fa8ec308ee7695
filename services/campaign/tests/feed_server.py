"""A server with JSON that mails show, which answers when it is let."""

import asyncio
import json
from typing import Any

from services.campaign.tests.vendors.server import Answer, Asked, Vendor, _read, _written
from typing_extensions import override


class FeedServer(Vendor):
    """It says `answers` by path, else that the sky is fine; `gate` is open at first."""

    name = "feed"
    address = ""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Any] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        return {}, {}

    @override
    def wrong(self) -> dict[str, str]:
        return {}

    @override
    def refusal(self, code: str) -> Answer:
        return Answer(int(code))

    @override
    def answer(self, asked: Asked) -> Answer:
        told = self.answers.get(asked.path, {"sky": "fine", "asked": len(self.asked)})
        return told if isinstance(told, Answer) else Answer(200, json.dumps(told).encode())

    @override
    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await _read(reader)
            self.reached.set()
            await self.gate.wait()
            self.asked.append(asked)
            answer = self.refusal(self.code) if self.code else self.answer(asked)
            writer.write(_written(answer))
            await writer.drain()
