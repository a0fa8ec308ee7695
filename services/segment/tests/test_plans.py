"""How Postgres finds what a batch asks for before it has counted anything."""

from collections.abc import Callable
from uuid import UUID

import pytest
from services.segment.tests.judging import NOON
from sqlalchemy import text
from tests.support.engines import patient_engine

from rapport_common.composition import BY_KEY
from rapport_segment.domain.membership import Person
from rapport_segment.domain.rules import parse
from rapport_segment.store import people
from rapport_segment.store.definitions import misplaced

pytestmark = pytest.mark.integration

_USED = text(
    "SELECT relname FROM pg_class WHERE relname IN "
    "('pk_membership', 'uq_membership_open', 'ix_membership_members') "
    "AND pg_stat_get_xact_numscans(oid) > 0"
)


_SCANS = text(
    "SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class WHERE relname IN "
    "('uq_membership_open', 'ix_membership_members')"
)


async def test_a_build_looks_each_stay_up_by_its_key_in_tables_that_nobody_has_analysed(
    service_database: Callable[[str], str],
) -> None:
    """As after a large import: joined at once, each page would go through all members for each."""
    engine = patient_engine(service_database("segment"), application="tests", pool=1)
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO segment.person (workspace, profile_id, version, known) SELECT 'acme', "
                "CAST(lpad(to_hex(n), 32, '0') AS uuid), 1, true FROM generate_series(1, 2000) AS n"
            )
        )
    async with engine.begin() as tx:
        rule = parse({"computed": "orders", "op": "gte", "value": 1})
        assert await misplaced(tx, "acme", UUID(int=1), rule, now=NOON) == []
        scans = (await tx.execute(_SCANS)).scalar_one()
    await engine.dispose()
    assert scans == 2000


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
