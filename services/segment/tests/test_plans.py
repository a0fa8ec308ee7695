"""How Postgres finds what a batch asks for before it has counted anything."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.engines import patient_engine

from rapport_common.composition import BY_KEY
from rapport_segment.domain.membership import Person
from rapport_segment.store import people

pytestmark = pytest.mark.integration

_USED = text(
    "SELECT relname FROM pg_class WHERE relname IN "
    "('pk_membership', 'uq_membership_open', 'ix_membership_members') "
    "AND pg_stat_get_xact_numscans(oid) > 0"
)


async def test_the_open_entries_of_a_person_are_not_looked_for_by_segment(
    service_database: Callable[[str], str],
) -> None:
    engine = patient_engine(
        service_database("segment"), application="tests", pool=1, settings=BY_KEY
    )
    somebody = Person("acme", UUID(int=1))
    async with engine.begin() as tx:
        await people.open_entries(tx, {("acme", str(somebody.profile_id)): somebody})
        used = (await tx.execute(_USED)).scalars().all()
    await engine.dispose()
    assert used == ["uq_membership_open"]
