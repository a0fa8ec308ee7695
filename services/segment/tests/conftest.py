"""What the tests of this service share: a database, a world of records, a client."""

import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from services.segment.tests.means import MEANS
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.emptying import wiped
from tests.support.engines import patient_engine
from tests.support.outbox import waiting

from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.membership import Membership
from rapport_common.events.topics import SEGMENT_DEFINITION, SEGMENT_MEMBERSHIP, Topic
from rapport_common.jobs.routes import job_routes
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.ledger import ledger_routes
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, mint
from rapport_common.testing.profiles import NOON, happened, sections
from rapport_segment.api import routers
from rapport_segment.api.callers import READ, WRITE
from rapport_segment.api.models import SegmentLedger
from rapport_segment.handlers.jobs import put_away
from rapport_segment.handlers.ledger import counts
from rapport_segment.store.jobs import JOBS
from rapport_segment.tables import METADATA


class Records:
    """Builds records that tell all of a person; each call counts the person's version up."""

    def __init__(self) -> None:
        self._versions: dict[uuid.UUID, int] = {}
        self._offsets = itertools.count()

    def state(
        self,
        who: uuid.UUID,
        *,
        version: int | None = None,
        event: bool = True,
        workspace: str = "acme",
        emails: tuple[str, ...] = (),
        traits: dict[str, Any] | None = None,
        **computed: Any,
    ) -> ProfileActivity:
        number = version or self._versions.get(who, 0) + 1
        self._versions[who] = max(number, self._versions.get(who, 0))
        return ProfileActivity(
            workspace=workspace,
            profile_id=str(who),
            version=number,
            event=happened(workspace, number) if event else None,
            versions=SectionVersions(*[number] * len(SECTIONS)),
            **sections(
                [("user_id", str(who)), *(("email", one) for one in emails)], traits, **computed
            ),
        )

    def merged(
        self, who: uuid.UUID, into: uuid.UUID, *, version: int | None = None
    ) -> ProfileActivity:
        number = version or self._versions.get(who, 0) + 1
        self._versions[who] = max(number, self._versions.get(who, 0))
        return ProfileActivity(
            workspace="acme", profile_id=str(who), version=number, merged_into=str(into)
        )

    def gone(self, who: uuid.UUID) -> ProfileActivity:
        number = self._versions.get(who, 0) + 1
        self._versions[who] = number
        return ProfileActivity(workspace="acme", profile_id=str(who), version=number, gone=True)

    def record(self, value: ProfileActivity, trace: str | None = None) -> Record:
        key = value.profile_id.encode()
        return Record("profile.activity", 0, next(self._offsets), key, value, trace)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture(scope="module")
def database_url(service_database: Callable[[str], str]) -> str:
    return service_database("segment")


@pytest.fixture(scope="module")
async def module_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    # Two seconds for a lock pass on a busy machine; who waits for each other is told after one.
    patience = {"lock_timeout": "60s"}
    engine = patient_engine(database_url, application="segment-test", settings=patience)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(module_engine: AsyncEngine) -> AsyncEngine:
    """The module's database, emptied."""
    await wiped(module_engine, map(str, METADATA.sorted_tables))
    return module_engine


@pytest.fixture
def published(engine: AsyncEngine) -> Callable[[], Any]:
    """A function that gives the changes of membership in the outbox, in their order."""

    async def read() -> list[Membership]:
        return await _outbox(engine, SEGMENT_MEMBERSHIP)

    return read


@pytest.fixture
def told(engine: AsyncEngine) -> Callable[[], Any]:
    """A function that gives the definitions in the outbox, in their order."""

    async def read() -> list[SegmentDefinition]:
        return await _outbox(engine, SEGMENT_DEFINITION)

    return read


async def _outbox(engine: AsyncEngine, topic: Topic) -> list[Any]:
    async with engine.begin() as tx:
        found = await waiting(tx, "segment", topic.name)
        return [msgspec.json.decode(one.value, type=topic.record) for one in found]


@pytest.fixture
def api(engine: AsyncEngine) -> FastAPI:
    app = patient_app("segment")
    add_routes(app, *routers(engine, engine, EVENT_KEY, MEANS))
    add_routes(app, job_routes(engine, JOBS, read=READ, write=WRITE, put_away=put_away()))
    counted = partial(counts, ConsumerStore("segment", "segment"))
    add_routes(app, ledger_routes(engine, SegmentLedger, counted))
    return app


@pytest.fixture
def client_of(api: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """A function that gives a client with a token for a workspace and scopes."""

    def client(workspace: str = "acme", scopes: tuple[str, ...] = ("*",)) -> httpx.AsyncClient:
        whole = bool({"ops", "*"} & set(scopes))
        token = mint(workspace, "ada", list(scopes), timedelta(minutes=5), installation=whole)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(api, raise_app_exceptions=False),
            base_url="http://segment",
            headers={"Authorization": f"Bearer {token}"},
        )

    return client


@pytest.fixture
async def client(
    client_of: Callable[..., httpx.AsyncClient],
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as one:
        yield one
