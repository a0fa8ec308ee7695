"""A mailbox for tests: as much of IMAP (RFC 3501) as a client needs that looks for new mails."""

import asyncio
import re
from dataclasses import dataclass, field


@dataclass
class Kept:
    """A mail and its flags."""

    raw: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer:
    """Mails by uid, for one user. `keywords`: whether flags of one's own may be kept."""

    def __init__(self, *, keywords: bool = True) -> None:
        self.mails: dict[int, Kept] = {}
        self.keywords = keywords
        self.refused: set[str] = set()
        self.tried = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def put(self, raw: bytes, *flags: str) -> int:
        uid = len(self.mails) + 1
        self.mails[uid] = Kept(raw, set(flags))
        return uid

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK IMAP4rev1 ready\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            name = " ".join(command.upper().split()[: 2 if command.upper()[:3] == "UID" else 1])
            state = "NO not now" if name in self.refused else "OK done"
            self.tried += name == "LOGIN"
            if state[:2] == "OK":
                writer.write(self._answer(name, command))
            writer.write(f"{tag} {state}\r\n".encode())
            await writer.drain()
            if name == "LOGOUT":
                break
        writer.close()

    def _answer(self, name: str, command: str) -> bytes:
        if name == "CAPABILITY":
            return b"* CAPABILITY IMAP4REV1\r\n"
        if name == "LOGIN":
            assert command.split(" ", 1)[1] == 'ada "p w"'
        if name == "SELECT":
            room = r" \*" if self.keywords else ""
            return (
                f"* {len(self.mails)} EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen{room})] x\r\n".encode()
            )
        if name == "UID SEARCH":
            flag = "RapportRead" if "UNKEYWORD" in command else r"\Seen"
            found = [str(uid) for uid, one in self.mails.items() if flag not in one.flags]
            return f"* SEARCH {' '.join(found)}\r\n".encode()
        if name == "UID FETCH":
            return self._fetched(command)
        if name == "UID STORE":
            found_flag = re.search(r"(\d+) \+FLAGS\.SILENT \(?([^)]+)\)?$", command)
            assert found_flag is not None
            uid, flag = found_flag.groups()
            self.mails[int(uid)].flags.add(flag)
        return b""

    def _fetched(self, command: str) -> bytes:
        found = re.search(r"FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command)
        assert found is not None
        uid, size = map(int, found.groups())
        raw = self.mails[uid].raw[:size]
        head = f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(raw)}}}\r\n".encode()
        return head + raw + b")\r\n"
