"""Makes `people.py` importable, and a database with the schema of profile."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

sys.path.insert(0, str(Path(__file__).parents[3]))  # for `services.profile.tests.people`


@pytest.fixture
async def engine(service_database: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    made = patient_engine(service_database("profile"), application="tests", pool=10)
    yield made
    await made.dispose()
