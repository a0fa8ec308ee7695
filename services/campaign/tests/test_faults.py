"""The whole service as a process, on a real Kafka, killed and frozen while it sends."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import clock
from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    SectionVersions,
)
from rapport_common.events.codec import encode
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_common.events.topics import (
    PROFILE_ACTIVITY,
    SEGMENT_DEFINITION,
    SEGMENT_MEMBERSHIP,
    Topic,
)
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.producer import Outgoing, Producer
from rapport_common.testing.credentials import KEY_ENVIRONMENT, mint
from rapport_common.testing.profiles import sections

pytestmark = [pytest.mark.integration, pytest.mark.faults]
SEGMENT = "22222222-2222-2222-2222-222222222222"
PEOPLE = 240
LEASE = 10
LANES, CONNECTIONS = 2, 4


class Service:
    """`python -m rapport_campaign run`, which a test may kill and start again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{environment['RAPPORT_PORT']}"

    async def start(self) -> None:
        command = [sys.executable, "-m", "rapport_campaign", "run"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **self._environment}, stdout=log, stderr=log
            )
        async with asyncio.timeout(HANG_SECONDS), httpx.AsyncClient(timeout=HANG_SECONDS) as client:
            while True:
                assert self._process.poll() is None, self._log.read_text()[-3000:]
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await between_looks()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: int) -> int:
        """Send a signal and give the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, 2 * HANG_SECONDS)

    async def until_its_leases_are_over(self) -> None:
        connection = await asyncpg.connect(self._environment["RAPPORT_DATABASE_URL"])
        running = "SELECT 1 FROM campaign.sending WHERE lease_until > now()"
        async with asyncio.timeout(HANG_SECONDS):
            while await connection.fetchval(running):
                await between_looks()
        await connection.close()


@pytest.fixture
async def service(
    kafka_bootstrap: str,
    service_database: Callable[[str], str],
    free_ports: Callable[[int], int],
    mail_server: Any,
    tmp_path: Path,
) -> AsyncIterator[Service]:
    one = Service(
        {
            "RAPPORT_DATABASE_URL": service_database("campaign"),
            "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            **KEY_ENVIRONMENT,
            "RAPPORT_PORT": str(free_ports(1)),
            "RAPPORT_METRICS_PORT": str(free_ports(1)),
            "RAPPORT_SMTP_PORT": str(mail_server.port),
            "RAPPORT_SMTP_TIMEOUT": "1",
            "RAPPORT_LEASE_SECONDS": str(LEASE),
            "RAPPORT_SENDER_LANES": str(LANES),
            "RAPPORT_SENDER_CONNECTIONS": str(CONNECTIONS),
            "RAPPORT_DATA_FOLDER": str(tmp_path),
            "RAPPORT_SESSION_TIMEOUT_MS": "6000",
            "RAPPORT_SEGMENT_WAIT_SECONDS": "10",
        },
        tmp_path / "campaign.log",
    )
    try:
        await one.start()
        yield one
    finally:
        await one.end(signal.SIGKILL)


@asynccontextmanager
async def producer(bootstrap: str, service: str, topic: Any) -> AsyncIterator[Producer]:
    await ensure_topics(bootstrap, [topic], partitions=12, replication=1)
    one = Producer(service, bootstrap, [topic], compression=None)
    await one.start()
    yield one
    await one.stop()


async def bring_people(bootstrap: str, workspace: str) -> None:
    """Everybody enters the segment, and the records come twice, as after a relay's crash."""
    activity, entries = [], []
    for number in range(PEOPLE):
        who = f"{workspace}-{number}"
        address = ContactPoint(channel="email", value=f"{who}@example.com")
        person = ProfileActivity(
            workspace=workspace,
            profile_id=who,
            version=1,
            versions=SectionVersions(*[1] * len(SECTIONS)),
            **sections([("email", address.value)], {"first_name": "Ada"}, [address]),
        )
        entry = Membership(
            workspace=workspace,
            profile_id=who,
            profile_version=1,
            segment_id=SEGMENT,
            segment_version=1,
            entry_id=f"entry-{who}",
            change="entered",
            at=clock.now(),
            cause="event",
            reason="r",
        )
        activity.append(outgoing(PROFILE_ACTIVITY, who, person))
        entries.append(outgoing(SEGMENT_MEMBERSHIP, who, entry))
    # Entries first: each message has to wait for its person.
    async with producer(bootstrap, "segment", SEGMENT_MEMBERSHIP) as one:
        await one.publish(entries + entries)
    async with producer(bootstrap, "profile", PROFILE_ACTIVITY) as one:
        await one.publish(activity + activity)


def outgoing(topic: Topic, key: str, record: msgspec.Struct) -> Outgoing:
    """Under any key: the ids here are short ones."""
    return Outgoing(topic.name, key.encode(), encode(record), None, topic.version)


async def sent_events(bootstrap: str, workspace: str) -> Counter[str]:
    """How often each "Email Sent" of the workspace is in the topic `events`."""
    consumer = AIOKafkaConsumer("events", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: Counter[str] = Counter()
    try:
        while batch := await consumer.getmany(timeout_ms=2000):
            for record in (record for records in batch.values() for record in records):
                event = msgspec.json.decode(record.value, type=Event)
                if event.workspace == workspace and event.name == "Email Sent":
                    found[event.message_id] += 1
    finally:
        await consumer.stop()
    return found


async def define_segment(bootstrap: str, workspace: str) -> None:
    """The segment is told of; the campaign that is made next waits for it."""
    definition = SegmentDefinition(
        workspace=workspace, segment_id=SEGMENT, version=1, name="Everybody", at=clock.now()
    )
    record = outgoing(SEGMENT_DEFINITION, SEGMENT, definition)
    async with producer(bootstrap, "segment", SEGMENT_DEFINITION) as one:
        await one.publish([record])


async def started_campaign(client: httpx.AsyncClient) -> str:
    await client.patch("/v1/policy", json={"promotion_without_consent": True})
    body = {
        "name": "n",
        "segment_id": SEGMENT,
        "purpose": "promotion",
        "from_address": "a@shop.example",
        "subject": "Hi {{ profile.traits.first_name }}",
        "html": "<a href='https://shop.example/'>x</a>",
    }
    made = await client.post("/v1/campaigns", json=body)
    assert made.status_code == 201, made.text
    url = f"/v1/campaigns/{made.json()['id']}"
    assert (await client.post(f"{url}/start")).status_code == 200
    return url


async def until(mail_server: Any, mails: int, seconds: float = HANG_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while len(mail_server.mails) < mails:
            await between_looks()


async def test_killed_and_frozen_it_sends_nothing_twice_and_loses_nothing(
    service: Service, kafka_bootstrap: str, mail_server: Any
) -> None:
    workspace = f"w{uuid.uuid4().hex[:8]}"
    token = mint(workspace, "ada", ["*"], timedelta(hours=1), installation=True)
    headers = {"Authorization": f"Bearer {token}"}
    mail_server.pause = 0.05
    async with httpx.AsyncClient(
        base_url=service.url, headers=headers, timeout=HANG_SECONDS
    ) as client:
        await define_segment(kafka_bootstrap, workspace)
        url = await started_campaign(client)
        await bring_people(kafka_bootstrap, workspace)
        for reached in (20, 80):
            await until(mail_server, reached)
            await service.end(signal.SIGKILL)
            await service.start()
        await until(mail_server, 140)
        service.signal(signal.SIGSTOP)
        await service.until_its_leases_are_over()
        service.signal(signal.SIGCONT)
        await until(mail_server, 180)
        assert await service.end(signal.SIGTERM) == 0
        await service.start()
        counts = await settled_counts(client, url)
        ledger = (await client.get("/v1/ledger")).json()
    keys = mail_server.send_keys()
    states = ("planned", "sending", "sent", "failed", "suppressed", "uncertain")
    assert ledger["planned_total"] == sum(ledger[one] for one in states) == PEOPLE
    assert counts["sent"] + counts["uncertain"] == PEOPLE
    assert set(keys.values()) == {1}
    assert counts["sent"] <= len(keys) <= counts["sent"] + counts["uncertain"]
    # Two kills and a freeze: what each connection of a lane had in hand, a mail and the next.
    assert 0 < counts["uncertain"] <= 3 * LANES * CONNECTIONS * 2
    events = await sent_events(kafka_bootstrap, workspace)
    assert len(events) == counts["sent"]


async def settled_counts(client: httpx.AsyncClient, url: str) -> dict[str, int]:
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            counts: dict[str, int] = (await client.get(url)).json()["counts"]
            if sum(counts.values()) == PEOPLE and not counts["planned"] + counts["sending"]:
                return counts
            await between_looks()
