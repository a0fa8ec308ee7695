"""Makes `people.py` importable; a database with the schema of profile, an operator of its API."""

import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.emptying import wiped
from tests.support.engines import patient_engine

from rapport_common.events.topics import EVENTS
from rapport_common.kafka.store import ConsumerStore
from rapport_common.operator.ledger import ledger_routes
from rapport_common.operator.models import Ledger
from rapport_common.privacy.eraser import Eraser
from rapport_common.publisher import Publisher
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, RECEIPT_KEY, mint
from rapport_profile.api import routers
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.hands import Hands
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.handlers.privacy import eraser as made_eraser
from rapport_profile.tables import METADATA

sys.path.insert(0, str(Path(__file__).parents[3]))  # for `services.profile.tests.people`


def bearer(workspace: str, *scopes: str) -> dict[str, str]:
    """The header of an operator."""
    whole = bool({"ops", "*"} & set(scopes))
    token = mint(workspace, "ada", list(scopes), timedelta(hours=1), installation=whole)
    return {"Authorization": f"Bearer {token}"}


def erasing() -> Erasing:
    """Who forgets people, with the keys of tests."""
    return Erasing(Ids(EVENT_KEY), EVENT_KEY, RECEIPT_KEY)


def accessing() -> Accessing:
    """Who tells what is known."""
    return Accessing(erasing())


def eraser() -> Eraser:
    """What reads `privacy`."""
    return made_eraser(erasing(), accessing())


def publisher() -> Publisher:
    """Writes events into the outbox of profile."""
    return Publisher("profile", EVENTS, EVENT_KEY)


def hands(arrivals: Arrivals) -> Hands:
    """By what the routes act."""
    return Hands(arrivals, erasing(), accessing(), publisher(), settling())


def settling() -> Settling:
    """Who settles members of loyalty programmes."""
    return Settling(EVENT_KEY)


@pytest.fixture(scope="session")
def standing_database(service_database: Callable[[str], str]) -> str:
    """The database of the tests that need none of their own."""
    return service_database("profile")


@pytest.fixture
async def engine(standing_database: str) -> AsyncIterator[AsyncEngine]:
    """That database, emptied: quicker by a third of a second than a new one for each test.

    An engine of its own: what a process remembers of a database, it remembers by its engine.
    """
    made = patient_engine(standing_database, application="tests", pool=10)
    await wiped(made, (one.fullname for one in METADATA.sorted_tables))
    yield made
    await made.dispose()


def api_over(engine: AsyncEngine) -> FastAPI:
    """The API of profile."""
    made = patient_app("profile")
    add_routes(made, *routers(engine, Ids(EVENT_KEY), hands(Arrivals(engine))))
    counted = ConsumerStore("profile", "profile").ledger
    add_routes(made, ledger_routes(engine, Ledger, counted))
    return made


@pytest.fixture
def app(engine: AsyncEngine) -> FastAPI:
    """The API of profile."""
    return api_over(engine)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of workspace `w`."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer("w", "*")
    ) as made:
        yield made


@pytest.fixture
def shop(engine: AsyncEngine, client: httpx.AsyncClient) -> Any:
    """A shop to which things are sent that should not be."""
    # Imported here: the folder that it is found by is made known above.
    from services.profile.tests.misfits import Shop  # noqa: PLC0415

    return Shop(engine, client)
