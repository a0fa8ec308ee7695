"""A DNS server of TXT records on loopback, whose moods a test sets."""

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from typing_extensions import override

NOBODY = 0


class Dns(asyncio.DatagramProtocol):
    """Answers with what `texts` has by name, each record in its strings; else NXDOMAIN.

    `failing` names are answered with SERVFAIL, `silent` ones not at all; `aliases` lead elsewhere.
    """

    def __init__(self) -> None:
        self.port = NOBODY
        self.texts: dict[str, list[list[str]]] = {}
        self.aliases: dict[str, str] = {}
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def publish(self, *records: dict[str, str]) -> None:
        """Publish records as the API shows them."""
        for one in records:
            self.texts[one["name"]] = [list(one["strings"])]

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if name in self.silent or self._transport is None:
            return
        self._transport.sendto(self._answer(query, name).to_wire(), addr)

    def _answer(self, query: dns.message.Message, name: str) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        if (target := self.aliases.get(name)) is not None:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target}."))
            name = target
        records = self.texts.get(name, [])
        if not records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        lines = [" ".join(_quoted(text) for text in strings) for strings in records]
        answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *lines))
        return answer


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
