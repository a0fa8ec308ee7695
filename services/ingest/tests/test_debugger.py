"""The live debugger: what is shown, how soon, and that nothing waits for it."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.waiting import HANG_SECONDS, between_looks, eventually

from rapport_ingest.domain import live
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.verdict import Result
from rapport_ingest.handlers import debugging as module
from rapport_ingest.handlers.debugging import Debugging

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Gate, Ingest, Start

CHANNEL_CARRIES = re.compile(r"\d+(,\d+)*")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENT = {"event": "Order Completed", "userId": "u-1", "messageId": "m-1"}


class Reader:
    """Server-sent events as a client reads them, from the ASGI app or over a socket."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.seen: list[tuple[str, Any]] = []
        self._rest = b""

    async def next(self, name: str) -> Any:
        """The data of the next event of this name; what comes before it is kept in `seen`."""
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                while b"\n\n" not in self._rest:
                    self._rest += await self.pieces.get()
                block, _, self._rest = self._rest.partition(b"\n\n")
                fields = dict(
                    line.split(": ", 1) for line in block.decode().split("\n") if line[0] != ":"
                )
                if "event" in fields:
                    data = msgspec.json.decode(fields["data"])
                    self.seen.append((fields["event"], data))
                    if fields["event"] == name:
                        return data


@asynccontextmanager
async def watching(ingest: "Ingest", source: str = "") -> AsyncIterator[Reader]:
    """A watcher of the source, through the ASGI app itself: httpx would wait for the end."""
    reader = Reader()
    path = f"/v1/sources/{source or ingest.source}/live"
    headers = [
        (name.lower().encode(), value.encode())
        for name, value in ingest.token("events:read").items()
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("ingest", 80),
        "scheme": "http",
    }
    gone, asked = asyncio.Event(), False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reader.status = message["status"]
            reader.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        elif message.get("body"):
            await reader.pieces.put(message["body"])

    task = asyncio.get_running_loop().create_task(ingest.built.app(scope, receive, send))
    try:
        yield reader
    finally:
        gone.set()
        async with asyncio.timeout(HANG_SECONDS):
            await task


@asynccontextmanager
async def carrying(*ingests: "Ingest") -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in ingests:
            group.create_task(debugger(one).run(stop))
        try:
            yield
        finally:
            stop.set()


def debugger(ingest: "Ingest") -> Debugging:
    [found] = [one for one in ingest.process.in_each_role if isinstance(one, Debugging)]
    return found


pytestmark = pytest.mark.integration


async def test_events_of_every_process_are_shown(ingest: "Ingest", start: "Start") -> None:
    other = await start(like=ingest)

    async def is_heard_by_both() -> bool:
        async with watching(ingest) as one:
            return int((await one.next("ready"))["processes"]) >= 2

    async with carrying(ingest, other):
        # A process that has not begun to listen is not waited for.
        await eventually("that both processes listen", is_heard_by_both)
        await _shown_by_both(ingest, other)


async def _shown_by_both(ingest: "Ingest", other: "Ingest") -> None:
    async with watching(ingest) as reader:
        assert (await reader.next("ready"))["processes"] >= 2
        assert reader.headers["content-type"].startswith("text/event-stream")
        for number, one in enumerate((ingest, other)):
            await one.send("/v1/track", {**EVENT, "messageId": f"good-{number}"})
            good = await reader.next("event")
            await one.send("/v1/track", {"userId": "u-2", "messageId": f"bad-{number}"})
            bad = await reader.next("event")
            assert (good["message_id"], good["status"]) == (f"good-{number}", "accepted")
            assert (good["type"], good["name"]) == ("track", "Order Completed")
            assert (good["user_id"], good["dialect"]) == ("u-1", "segment")
            assert msgspec.json.decode(good["body"])["messageId"] == f"good-{number}"
            assert not good["truncated"]
            assert (bad["message_id"], bad["status"]) == (f"bad-{number}", "rejected")
            assert bad["path"] == "event"
            assert bad["code"]
            assert bad["message"]


async def test_events_in_test_mode_and_broken_ones_are_shown(ingest: "Ingest") -> None:
    change = {"policy": {"test_mode": True}}
    answer = await ingest.client.patch(
        f"/v1/sources/{ingest.source}", json=change, headers=ingest.token()
    )
    assert answer.status_code == 200
    async with carrying(ingest), watching(ingest) as reader:
        await reader.next("ready")
        await ingest.send("/v1/track", EVENT)
        assert (await reader.next("event"))["status"] == "tested"
        await ingest.send("/v1/batch", b'{"batch": [[1], {"type": "track", "n": NaN}]}')
        first, second = await reader.next("event"), await reader.next("event")
        assert (first["status"], first["body"]) == ("rejected", "[1]")
        assert (second["status"], second["user_id"]) == ("rejected", None)
    assert (await ingest.get("/v1/quarantine"))["items"] == []


async def test_only_the_sources_own_events_are_shown(ingest: "Ingest", start: "Start") -> None:
    stranger = await start(database=ingest.database)
    assert stranger.source == ingest.source
    till = await ingest.add_source("Till")
    async with carrying(ingest, stranger), watching(ingest) as reader:
        await reader.next("ready")
        await stranger.send("/v1/track", {**EVENT, "messageId": "stranger"})
        key = {"Authorization": f"Bearer {till['write_key']}"}
        await ingest.send("/v1/track", {**EVENT, "messageId": "till"}, **key)
        await ingest.send("/v1/track", {**EVENT, "messageId": "mine"})
        assert (await reader.next("event"))["message_id"] == "mine"


async def test_what_is_too_much_is_dropped_and_told(ingest: "Ingest") -> None:
    batch = {"batch": [{"type": "track", **EVENT} for _ in range(2000)]}
    async with carrying(ingest), watching(ingest) as reader:
        await reader.next("ready")
        assert (await ingest.send("/v1/batch", batch)).status_code == 200
        dropped = (await reader.next("dropped"))["events"]
        shown = [one for one in reader.seen if one[0] == "event"]
        assert len(shown) == module.SHOWN_PER_SECOND
        assert dropped == 2000 - len(shown)


async def test_a_slow_watcher_is_told_what_it_missed() -> None:
    stream = module.Stream(Caller("w", "s"))
    for _ in range(module.MAX_WAITING + 7):
        stream.put("event", b"{}")
    assert len(await stream.take(0)) == module.MAX_WAITING
    stream.put("event", b"{}")
    assert await stream.take(0) == [("dropped", b'{"events":7}'), ("event", b"{}")]


async def test_nothing_is_shown_or_gathered_while_nobody_watches(ingest: "Ingest") -> None:
    shown = debugger(ingest)
    async with carrying(ingest):
        async with watching(ingest) as reader:
            await reader.next("ready")
            assert list(shown._watched) == [Caller(ingest.workspace, ingest.source)]
        assert shown._streams == []
        async with asyncio.timeout(HANG_SECONDS):
            while shown._watched:
                await between_looks()
        await ingest.send("/v1/track", EVENT)
        assert not shown._outgoing


async def test_it_goes_on_after_postgres_was_away(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    async with carrying(ingest), watching(ingest) as reader:
        await reader.next("ready")
        await ingest.send("/v1/track", EVENT)
        await reader.next("event")
        await gate.shut()
        await reader.next("interrupted")
        assert (await ingest.send("/v1/track", EVENT)).status_code == 200
        await gate.open()
        await reader.next("ready")
        await ingest.send("/v1/track", {**EVENT, "messageId": "after"})
        assert (await reader.next("event"))["message_id"] == "after"


async def test_while_postgres_is_frozen_events_pass_and_the_queue_is_bounded(
    start: "Start", gate: "Gate", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OUTGOING", 10)
    ingest = await start(database=gate.url)
    async with carrying(ingest), watching(ingest) as reader:
        await reader.next("ready")
        await ingest.send("/v1/track", EVENT)
        gate.freeze()
        batch = {"batch": [{"type": "track", **EVENT} for _ in range(200)]}
        for _ in range(3):
            async with asyncio.timeout(HANG_SECONDS):
                assert (await ingest.send("/v1/batch", batch)).status_code == 200
        assert len(debugger(ingest)._outgoing) <= 10
    gate.flows.set()


async def test_streams_are_bounded_and_unknown_sources_are_said(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STREAMS", 1)
    headers = ingest.token("events:read")
    path = f"/v1/sources/{ingest.source}/live"
    async with carrying(ingest), watching(ingest) as reader:
        await reader.next("ready")
        full = await ingest.client.get(path, headers=headers)
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
        missing = await ingest.client.get("/v1/sources/nothing/live", headers=headers)
        assert missing.status_code == 404
        refused = await ingest.client.get(path, headers=ingest.token("ops"))
        assert refused.status_code == 403


async def test_streams_end_with_the_process(ingest: "Ingest") -> None:
    async with carrying(ingest):
        watch = watching(ingest)
        reader = await watch.__aenter__()
        await reader.next("ready")
    await reader.next("end")
    await watch.__aexit__(None, None, None)
    with pytest.raises(Exception, match="watchers"):
        debugger(ingest).require_room()


@given(
    st.binary(max_size=12_000),
    st.text(max_size=100),
    st.one_of(st.none(), st.text(max_size=3000)),
    st.text(max_size=40_000, alphabet=st.sampled_from('a"\\\x00\x1fé漢😀')),
)
def test_every_message_fits_and_is_read_back(
    raw: bytes, message_id: str, reason: str | None, name: str
) -> None:
    for body in (raw, msgspec.json.encode({"event": name, "userId": name, "type": name})):
        result = Result(message_id, "rejected", "code", reason, reason)
        payload = live.shown(
            Caller("w" * 63, "s" * 60),
            body,
            result,
            kind=None,
            dialect="segment",
            received_at=NOON,
        )
        assert len(payload) <= live.MAX_PAYLOAD_BYTES
        message = live.decode(payload)
        assert isinstance(message, live.Shown)
        assert message.received_at == "2026-01-01T12:00:00Z"
        assert message.truncated or message.body == body.decode("utf-8", "replace")


async def test_other_roles_of_the_database_hear_numbers_only(
    ingest: "Ingest", postgres_server: Any
) -> None:
    name = f"neighbour_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(ingest.database)
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    parts = urlsplit(ingest.database)
    address = f"{name}:{name}@{parts.netloc.rpartition('@')[2]}"
    neighbour = await asyncpg.connect(urlunsplit(parts._replace(netloc=address)))
    heard: list[str] = []
    await neighbour.add_listener("ingest_live", lambda *told: heard.append(str(told[3])))
    try:
        async with carrying(ingest), watching(ingest) as reader:
            await reader.next("ready")
            await ingest.send("/v1/track", EVENT)
            assert (await reader.next("event"))["message_id"] == "m-1"
        await eventually("word for the neighbour", lambda: heard)
        assert all(CHANNEL_CARRIES.fullmatch(one) for one in heard)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await neighbour.fetch("SELECT payload FROM ingest.live_message")
    finally:
        await neighbour.close()
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()
