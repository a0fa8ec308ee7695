"""The operator routes: whose is what, what may be named, and bytes that are not text."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from libs.common.tests.parked_log import TOPIC, Faults, Log, Member, applied, empty, membership
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app

from rapport_common import outbox
from rapport_common.events.codec import encode
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka.batch import Subscription
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import DeadLetter
from rapport_common.kafka.unpark import Unparker
from rapport_common.operator import consumer_routes
from rapport_common.operator.outbox import outbox_routes
from rapport_common.outbox import OutboxStore
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint

pytestmark = pytest.mark.integration
BIGGEST = 2**63 - 1


@pytest.fixture
def service() -> str:
    return "feedback"


@pytest.fixture
async def faults(engine: AsyncEngine) -> Faults:
    await empty(engine)
    return Faults()


@pytest.fixture
async def member(engine: AsyncEngine, faults: Faults, service: str) -> Member:
    made = Member(engine, faults, service)
    await made.begin()
    return made


@pytest.fixture
async def api(
    engine: AsyncEngine, faults: Faults, service: str
) -> AsyncIterator[httpx.AsyncClient]:
    subscriptions = [Subscription(SEGMENT_MEMBERSHIP, faults)]
    consumer = Consumer(service, engine, subscriptions, bootstrap="127.0.0.1:1")
    unparker = Unparker(service, engine, consumer.batches)
    app = patient_app(service)
    add_routes(
        app,
        consumer_routes(engine, consumer, unparker),
        outbox_routes(engine, OutboxStore(service)),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def bearer(workspace: str = "acme", *, installation: bool = False) -> dict[str, str]:
    hour = timedelta(hours=1)
    made = mint(workspace, "ada", ["*"], hour, installation=installation)
    return {"Authorization": f"Bearer {made}"}


OPS = bearer()
INSTALLATION = bearer(installation=True)


async def bury(member: Member, *values: bytes) -> None:
    async with member.engine.begin() as tx:
        letters = [DeadLetter(TOPIC, 0, at, b"k", value, "why") for at, value in enumerate(values)]
        await member.batches.store.bury(tx, letters)


async def letters(api: httpx.AsyncClient, caller: dict[str, str]) -> list[dict[str, Any]]:
    answer = await api.get("/v1/dead-letters", headers=caller)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_dead_letters_are_seen_by_their_workspace(
    api: httpx.AsyncClient, member: Member, faults: Faults
) -> None:
    log = Log()
    log.add("x")
    log.records[0].append(log.records[0][0].__class__(**{**vars_of(log), "value": b"{not json"}))
    faults.poison = {"x"}
    assert await member.read(log)
    assert [one["workspace"] for one in await letters(api, OPS)] == ["acme"]
    assert await letters(api, bearer("other")) == []
    assert {one["workspace"] for one in await letters(api, INSTALLATION)} == {"acme", None}
    (mine,) = await letters(api, OPS)
    refused = await api.post(f"/v1/dead-letters/{mine['id']}/replay", headers=bearer("other"))
    assert refused.status_code == 404


def vars_of(log: Log) -> dict[str, Any]:
    """The record that follows the first one, as the constructor takes it."""
    first = log.records[0][0]
    names = first.__dataclass_fields__
    return {**{name: getattr(first, name) for name in names}, "offset": 1}


@pytest.mark.parametrize(
    ("caller", "workspace", "status"),
    [(OPS, "acme", 200), (OPS, "other", 403), (OPS, "", 403), (INSTALLATION, "other", 200)],
)
async def test_a_fixed_record_may_name_only_ones_own_workspace(
    api: httpx.AsyncClient,
    member: Member,
    faults: Faults,
    *,
    caller: dict[str, str],
    workspace: str,
    status: int,
) -> None:
    log = Log()
    log.add("x")
    faults.poison = {"x"}
    assert await member.read(log)
    faults.poison = set()
    (one,) = await letters(api, OPS)
    fixed = encode(membership("x", workspace)).decode()
    answer = await api.post(
        f"/v1/dead-letters/{one['id']}/replay",
        headers={**caller, "Content-Type": "application/json"},
        content=f'{{"value": {fixed}}}',
    )
    assert answer.status_code == status, answer.text
    assert bool(await applied(member.engine)) is (status == 200)


async def test_any_bytes_can_be_listed(api: httpx.AsyncClient, member: Member) -> None:
    await bury(
        member,
        b"\xff\xfe",
        b'{"workspace": "\xff"}',
        rb'"\ud800"',
        b'{"a": NaN}',
        b"[" * 5000 + b"]" * 5000,
        b"9" * 5000,
        b"1e999",
        b"",
    )
    found = await letters(api, INSTALLATION)
    assert len(found) == 8
    assert {"base64": "//4="} in [one["value"] for one in found]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/dead-letters/9223372036854775808/replay", None),
        ("POST", "/v1/dead-letters/0/replay", None),
        ("GET", "/v1/dead-letters?limit=99999999999999999999", None),
        ("GET", "/v1/dead-letters?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", None),
        ("GET", "/v1/positions?cursor=%FF", None),
        ("GET", "/v1/parked?cursor=x", None),
        ("GET", "/v1/parked/9223372036854775808/records", None),
        ("POST", "/v1/parked/9223372036854775808/release", None),
        ("POST", "/v1/parked/-1/discard", None),
        ("POST", "/v1/outbox/refused/9223372036854775808/retry", None),
        ("POST", "/v1/positions/reset", {"partition": 2**31, "next_offset": 0}),
        ("POST", "/v1/positions/reset", {"partition": 0, "next_offset": BIGGEST + 1}),
        ("POST", "/v1/positions/reset", {"partition": 0, "next_offset": 10**400}),
        ("POST", "/v1/positions/reset", {"topic": "\0", "partition": 0, "next_offset": 0}),
    ],
)
async def test_what_no_column_can_hold_is_a_422(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    sent = None if body is None else {"topic": TOPIC, **body}
    answer = await api.request(method, path, headers=INSTALLATION, json=sent)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid_request"


async def test_a_fixed_record_of_half_a_character_is_a_422(
    api: httpx.AsyncClient, member: Member
) -> None:
    await bury(member, encode(membership("x")))
    (one,) = await letters(api, INSTALLATION)
    answer = await api.post(
        f"/v1/dead-letters/{one['id']}/replay",
        headers={**INSTALLATION, "Content-Type": "application/json"},
        content=rb'{"value": {"workspace": "\ud800"}}',
    )
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("path", ["/v1/positions", "/v1/positions/reset", "/v1/positions/resume"])
async def test_positions_are_the_installations(api: httpx.AsyncClient, path: str) -> None:
    body = {"topic": TOPIC, "partition": 0, "next_offset": 0}
    method = "GET" if path == "/v1/positions" else "POST"
    refused = await api.request(method, path, headers=OPS, json=body)
    assert (refused.status_code, refused.json()["details"]) == (403, {"needed": "installation"})


async def test_positions_come_in_pages_and_a_stop_is_told_by_every_replica(
    api: httpx.AsyncClient, member: Member
) -> None:
    first = (await api.get("/v1/positions", params={"limit": 1}, headers=INSTALLATION)).json()
    query = {"limit": 1, "cursor": first["next"]}
    second = (await api.get("/v1/positions", params=query, headers=INSTALLATION)).json()
    assert [one["partition"] for one in first["items"] + second["items"]] == [0, 1]
    assert second["next"] is None
    async with member.engine.begin() as tx:
        await member.batches.store.note_stop(tx, "7", "records are gone")
    answer = (await api.post("/v1/positions/resume", headers=INSTALLATION)).json()
    assert answer["resumed"]
    assert [(one["replica"], one["reason"]) for one in answer["stopped"]] == [
        ("7", "records are gone")
    ]
    async with member.engine.begin() as tx:
        assert await member.batches.store.command(tx) > 0


async def test_parked_keys_are_listed_released_and_discarded(
    api: httpx.AsyncClient, member: Member, faults: Faults
) -> None:
    log = Log()
    log.add("xaybxycd")
    faults.passing = type(faults.passing)(x=10**9, y=10**9)
    assert await member.read(log, rounds=5)
    found = (await api.get("/v1/parked", headers=OPS)).json()["items"]
    assert [(one["key"], one["records"], one["workspace"]) for one in found] == [
        ("y", 2, "acme"),
        ("x", 2, "acme"),
    ]
    assert (await api.get("/v1/parked", headers=bearer("other"))).json()["items"] == []
    y, x = (f"/v1/parked/{one['id']}" for one in found)
    for path in (f"{y}/records", f"{y}/release", f"{y}/discard"):
        method = "GET" if path.endswith("records") else "POST"
        assert (await api.request(method, path, headers=bearer("other"))).status_code == 404
    records = (await api.get(f"{y}/records", params={"limit": 1}, headers=OPS)).json()
    assert records["items"][0]["value"]["profile_id"] == "y"
    assert records["next"]
    failed = (await api.post(f"{y}/release", headers=OPS)).json()
    assert (failed["applied"], failed["left"], failed["error"]) == (0, 2, "Retry")
    faults.passing.clear()
    done = (await api.post(f"{y}/release", headers=OPS)).json()
    assert (done["applied"], done["left"], done["error"]) == (2, 0, None)
    assert (await api.post(f"{x}/discard", headers=OPS)).json()["discarded"] == 2
    assert (await api.post(f"{x}/discard", headers=OPS)).status_code == 404
    async with member.engine.begin() as tx:
        ledger = await member.batches.store.ledger(tx)
    assert ledger["parked"] == {}
    assert ledger["skipped"] == {TOPIC: 2}
    assert sum(map(len, (await applied(member.engine)).values())) == 6


async def test_refused_rows_are_listed_retried_and_discarded(
    api: httpx.AsyncClient, engine: AsyncEngine, service: str
) -> None:
    store = OutboxStore(service)
    async with engine.begin() as tx:
        rows = [Outgoing(TOPIC, b"k", encode(membership("x", name))) for name in ("acme", "other")]
        await outbox.append(tx, service, rows)
        (batch,) = (await store.head(tx, 10)).batches
        for number in range(2):
            await store.refuse(tx, batch, number, "too large")
        await store.settle(tx, [batch.id])
    (mine,) = (await api.get("/v1/outbox/refused", headers=OPS)).json()["items"]
    assert (mine["workspace"], mine["reason"], mine["value"]["profile_id"]) == (
        "acme",
        "too large",
        "x",
    )
    both = (await api.get("/v1/outbox/refused", headers=INSTALLATION)).json()["items"]
    path = "/v1/outbox/refused/{}/{}"
    (other,) = [one["id"] for one in both if one["id"] != mine["id"]]
    assert (await api.post(path.format(other, "retry"), headers=OPS)).status_code == 404
    assert (await api.post(path.format(other, "discard"), headers=OPS)).status_code == 404
    assert (await api.post(path.format(mine["id"], "retry"), headers=OPS)).status_code == 200
    assert (await api.post(path.format(other, "discard"), headers=INSTALLATION)).status_code == 200
    async with engine.begin() as tx:
        (left,) = (await store.head(tx, 10)).batches
        assert [one.value for one in left.records] == [rows[0].value]
