"""The real process on real Kafka and Postgres: reads profiles, publishes answers, stops at once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event, partition_key
from rapport_common.events.topics import PROFILE_ACTIVITY, topics_of
from rapport_common.events.versions import HEADER, header
from rapport_common.kafka.admin import ensure_topics
from rapport_common.testing.credentials import EVENT_KEY, KEY_ENVIRONMENT, mint
from rapport_common.testing.profiles import sections

pytestmark = pytest.mark.integration
WORKSPACE = "process-test"
# Round the clock, and a complaint is to be acknowledged in less than half a second.
SETTINGS = {
    "RAPPORT_ACKNOWLEDGE_BUSINESS_HOURS": "0.0001",
    "RAPPORT_BUSINESS_DAYS": '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
    "RAPPORT_BUSINESS_OPENS": "00:00",
    "RAPPORT_BUSINESS_CLOSES": "24:00",
}


@asynccontextmanager
async def running(
    port: int, database: str, bootstrap: str, *arguments: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """The process with the base URLs of its API, at `port`, and of its metrics, at the next."""
    metrics_port = port + 1
    environment = {
        **os.environ,
        "RAPPORT_DATABASE_URL": database,
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        **KEY_ENVIRONMENT,
        "RAPPORT_PORT": str(port),
        "RAPPORT_METRICS_PORT": str(metrics_port),
        **SETTINGS,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rapport_feedback", "run", *arguments),
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    try:
        yield process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(check: Callable[[], Awaitable[bool]], seconds: float = HANG_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await between_looks()


async def stops_at_once(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(HANG_SECONDS):
        assert await process.wait() == 0


def is_ready(client: httpx.AsyncClient, base: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        try:
            return (await client.get(f"{base}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    return check


async def send_profile(bootstrap: str) -> None:
    record = ProfileActivity(
        workspace=WORKSPACE,
        profile_id="p1",
        version=1,
        versions=SectionVersions(*[1] * len(SECTIONS)),
        **sections([("user_id", "u1"), ("email", "ada@example.com")]),
    )
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(
            PROFILE_ACTIVITY.name,
            encode(record),
            key=b"p1",
            headers=[(HEADER, header(PROFILE_ACTIVITY.name, PROFILE_ACTIVITY.version))],
        )


async def read_event(bootstrap: str, message_id: str) -> tuple[bytes, Event]:
    """The first record of `events` with a message id that begins like this, and its key."""
    async with (
        AIOKafkaConsumer(
            "events", bootstrap_servers=bootstrap, auto_offset_reset="earliest"
        ) as consumer,
        asyncio.timeout(HANG_SECONDS),
    ):
        async for record in consumer:
            event = msgspec.json.decode(record.value, type=Event)
            if event.workspace == WORKSPACE and event.message_id.startswith(message_id):
                return record.key, event
    pytest.fail("the log ended")


async def link(client: httpx.AsyncClient, survey: str, **who: str) -> str:
    body = {"override": True, "reason": "a test", **who}
    made = await client.post(f"/v1/surveys/{survey}/invitations", json=body)
    return urlsplit(str(made.json()["url"])).path


async def test_from_a_profile_to_an_answer_in_the_log(
    service_database: Callable[[str], str],
    kafka_bootstrap: str,
    free_ports: Callable[[int], int],
) -> None:
    database = service_database("feedback")
    await ensure_topics(kafka_bootstrap, topics_of("feedback"), partitions=12, replication=1)
    await send_profile(kafka_bootstrap)
    token = mint(WORKSPACE, "ann", ["*"], timedelta(hours=1), installation=True)
    headers = {"Authorization": f"Bearer {token}"}
    async with running(free_ports(2), database, kafka_bootstrap) as (process, api, metrics):
        async with httpx.AsyncClient(base_url=api, headers=headers, timeout=HANG_SECONDS) as client:
            await until(is_ready(client, api))

            async def knows_the_person() -> bool:
                return bool((await client.get("/v1/ledger")).json()["persons"])

            await until(knows_the_person)
            body = {"name": "n", "kind": "nps", "question": "q"}
            survey = (await client.post("/v1/surveys", json=body)).json()["id"]
            by_mail = await link(client, survey, email="ada@example.com")
            by_user = await link(client, survey, user_id="u1")
            assert (await client.post(by_mail, data={"score": "9"})).status_code == 200
            assert "Your answer: <strong>9</strong>" in (await client.get(by_mail)).text
            # The same person's other link was told nothing.
            assert "Your answer" not in (await client.get(by_user)).text

            key, event = await read_event(kafka_bootstrap, "answer-")
            expected = EVENT_KEY
            assert key == partition_key(expected, WORKSPACE, ("email", "ada@example.com"))
            assert msgspec.json.decode(event.properties)["score"] == 9
            case = {"user_id": "u1", "subject": "Late", "body": "Three weeks late"}
            case_id = (await client.post("/v1/cases", json=case)).json()["id"]
            _, event = await read_event(kafka_bootstrap, f"case-{case_id}-acknowledge")
            assert (event.name, event.value("user_id")) == ("Case Overdue", "u1")
            # A look for spikes waits there as well, once the case's words have been read.
            waiting = (await client.get("/v1/due")).json()["items"]
            [limit] = [one for one in waiting if one["kind"].startswith("case_")]
            assert (limit["kind"], limit["key"]) == ("case_resolve", case_id)

            exposed = (await client.get(f"{metrics}/metrics")).text
            assert 'rapport_survey_answers_total{result="recorded"} 1.0' in exposed
            late = 'rapport_due_late_seconds_count{kind="case_acknowledge",service="feedback"} 1.0'
            assert late in exposed
            await until(lambda: outbox_is_empty(client))
            assert (await client.get("/healthz")).json() == {"alive": True}
        await stops_at_once(process)


async def outbox_is_empty(client: httpx.AsyncClient) -> bool:
    return bool((await client.get("/v1/ledger")).json()["outbox"] == 0)


async def test_a_worker_alone_has_its_health_on_the_metrics_port(
    service_database: Callable[[str], str],
    kafka_bootstrap: str,
    free_ports: Callable[[int], int],
) -> None:
    database = service_database("feedback")
    async with (
        running(free_ports(2), database, kafka_bootstrap, "--only", "worker") as (
            process,
            _api,
            metrics,
        ),
        httpx.AsyncClient(base_url=metrics, timeout=HANG_SECONDS) as client,
    ):
        await until(is_ready(client, metrics))
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/cases")).status_code == 404
        shown = await client.get("/metrics")
        assert shown.status_code == 200
        assert 'rapport_process_role{role="worker",service="feedback"} 1.0' in shown.text
        await stops_at_once(process)


async def test_a_start_while_kafka_is_away_serves_pages_and_the_api(
    service_database: Callable[[str], str],
    free_ports: Callable[[int], int],
) -> None:
    token = mint(WORKSPACE, "ann", ["*"], timedelta(hours=1), installation=True)
    nobody = f"127.0.0.1:{free_ports(1)}"
    async with running(free_ports(2), service_database("feedback"), nobody) as (
        process,
        api,
        _metrics,
    ):
        async with httpx.AsyncClient(
            base_url=api, headers={"Authorization": f"Bearer {token}"}, timeout=HANG_SECONDS
        ) as client:
            await until(is_ready(client, api))
            body = {"name": "n", "kind": "nps", "question": "q"}
            survey = (await client.post("/v1/surveys", json=body)).json()["id"]
            page = await link(client, survey, email="ada@example.com")
            assert (await client.get(page)).status_code == 200
            assert (await client.post(page, data={"score": "9"})).status_code == 200
        await stops_at_once(process)
