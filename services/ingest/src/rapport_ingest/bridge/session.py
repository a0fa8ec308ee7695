"""One connection to an MQTT broker; its PUBACKs wait for the word of whoever keeps the messages.

A session is one `gmqtt` client: it never reconnects by itself, so that a late PUBACK can't reach
a new connection in which the packet id may mean another message.
"""

import asyncio
import logging as standard_logging
import ssl
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from gmqtt import Client, Subscription

from rapport_ingest import metrics
from rapport_ingest.domain.bridging import BridgeSpec, Broker, Message, Translator

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
IDLE_SECONDS = 1.0
MAX_WAITING = 20_000
"""A broker that sends more without a word of ours is cut off: it sends again later."""

VERSIONS = {"5": 5, "3.1.1": 4}
NO_RECONNECTS = -2  # gmqtt: fewer than none; -1 would be for ever
FOR_EVER = 2**32 - 1  # MQTT 5, 3.1.2.11.2: the session never expires
NO_RETAINED = 2  # MQTT 5, 3.8.3.1: do not send what is retained at the time of the subscription
DONE, NOT_TAKEN = 0, 0x80

_quiet = standard_logging.getLogger("rapport_ingest.gmqtt")
_quiet.setLevel(standard_logging.CRITICAL)
standard_logging.getLogger("gmqtt").setLevel(standard_logging.CRITICAL)


@dataclass(slots=True)
class Waiting:
    """A message that is not acknowledged; the PUBACK is sent when `taken` is set to `DONE`."""

    original: msgspec.Raw
    spare_id: str
    taken: asyncio.Future[int]
    since: float = field(default_factory=time.monotonic)


class Session:
    """One connection to a broker, in the session that it keeps for this bridge."""

    def __init__(
        self, spec: BridgeSpec, broker: Broker, translator: Translator, label: str
    ) -> None:
        self.lost = asyncio.Event()
        self.resumed = False
        self._broker = broker
        self._translator = translator
        self._label = label
        self._queue: deque[Waiting] = deque()
        self._open: set[asyncio.Future[int]] = set()
        self._filled = asyncio.Event()
        self._client = self._made(spec)

    def _made(self, spec: BridgeSpec) -> Any:
        five = self._broker.version == "5"
        properties = {
            "receive_maximum": spec.receive_maximum,
            "session_expiry_interval": FOR_EVER,
        }
        client = Client(
            spec.client_id or f"rapport-{spec.workspace}-{spec.id}",
            clean_session=False,
            optimistic_acknowledgement=False,
            logger=_quiet,
            **(properties if five else {}),
        )
        client.reconnect_retries = NO_RECONNECTS
        if self._broker.username is not None:
            client.set_auth_credentials(self._broker.username, self._broker.password)
        client.on_message = self._received
        client.on_disconnect = self._disconnected
        client.on_connect = self._connected
        return client

    async def connect(self, tls: ssl.SSLContext | None) -> None:
        """Connect and subscribe. OSError, MQTTError, TimeoutError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._client.connect(
                self._broker.host,
                self._broker.port,
                ssl=tls or False,
                keepalive=self._broker.keepalive_seconds,
                version=VERSIONS[self._broker.version],
            )
        # MQTT 3.1.1 has no such options: it closes the connection where their bits are set.
        retained = NO_RETAINED if self._broker.version == "5" else 0
        wanted = [
            Subscription(one, qos=1, retain_handling_options=retained)
            for one in self._translator.filters
        ]
        self._client.subscribe(wanted)

    async def close(self) -> None:
        """Leave; what is not acknowledged by now the broker sends again."""
        self.lost.set()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.disconnect()
        self._cut()
        # Nothing is written any more: this only frees those who wait.
        for one in self._open:
            if not one.done():
                one.set_result(NOT_TAKEN)

    async def next(self, stop: asyncio.Event, size: int) -> list[Waiting]:
        """What waits to be kept, oldest first; empty when nothing has come for a while."""
        if not self._queue:
            self._filled.clear()
            await first_of(IDLE_SECONDS, self._filled, self.lost, stop)
        return self.batch(size)

    def batch(self, size: int) -> list[Waiting]:
        """The oldest, up to `size`, that are not kept yet; they stay at the head until they are."""
        while self._queue and self._queue[0].taken.done():
            self._queue.popleft()
        return [self._queue[index] for index in range(min(size, len(self._queue)))]

    def measure(self) -> None:
        """Show what is in flight."""
        metrics.BRIDGE_WAITING.labels(self._label).set(len(self._open))
        oldest = self._queue[0].since if self._queue else None
        age = 0.0 if oldest is None else time.monotonic() - oldest
        metrics.BRIDGE_AGE.labels(self._label).set(age)

    async def _received(
        self, _client: Any, topic: str | bytes, payload: bytes, _qos: int, properties: Any
    ) -> int:
        """Gives gmqtt the PUBACK's reason code, and only when the message is kept."""
        if properties.get("retain"):
            # The broker's copy of an old message, sent for the subscription: it came here before.
            metrics.BRIDGED.labels(self._label, "retained").inc()
            return DONE
        if len(self._queue) >= MAX_WAITING:
            self.lost.set()
        if self.lost.is_set():
            self._cut()
            return NOT_TAKEN
        name = topic if isinstance(topic, str) else topic.decode("utf-8", "replace")
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._open.add(taken)
        taken.add_done_callback(self._open.discard)
        original = self._translator.original(Message(name, bytes(payload)))
        self._queue.append(Waiting(original, f"mqtt-{uuid.uuid4().hex}", taken))
        self._filled.set()
        return await taken

    def _cut(self) -> None:
        """End the connection without a word; gmqtt's own ways send one and may wait for ever."""
        connection = self._client._connection  # noqa: SLF001 - gmqtt has no such way
        if connection is not None:
            connection._transport.abort()  # noqa: SLF001 - see above

    def _connected(self, _client: Any, flags: int, _code: int, _properties: Any) -> None:
        self.resumed = bool(flags)

    def _disconnected(self, _client: Any, _packet: Any, _error: Any = None) -> None:
        self.lost.set()


def trust(broker: Broker) -> ssl.SSLContext | None:
    """Whom to trust; None without TLS. ValueError: the file is not there."""
    if not broker.tls:
        return None
    if broker.ca_file is not None and not Path(broker.ca_file).is_file():
        message = f"the broker's ca_file '{broker.ca_file}' does not exist"
        raise ValueError(message)
    return ssl.create_default_context(cafile=broker.ca_file)


async def first_of(seconds: float, *events: asyncio.Event) -> None:
    """Until one of the events is set, for `seconds` at most."""
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(one.wait()) for one in events]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
