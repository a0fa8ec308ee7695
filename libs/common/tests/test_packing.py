"""Columns that travel as one text are read as they were written."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.db import pack_texts, packed_texts, read_uuid

HOSTILE = ["", " ", '"', "\\", '\\"', '","', "{", "}", "NULL", "null", ",", "a\nb", "é", "'", "{}"]


@pytest.mark.integration
async def test_postgres_reads_packed_texts_as_they_are(engine: AsyncEngine) -> None:
    query = text(f"SELECT {packed_texts('given')}")
    pairs = [[one, other] for one in HOSTILE for other in HOSTILE]
    async with engine.begin() as tx:
        for given_texts in [[], *[[one] for one in HOSTILE], *pairs, HOSTILE]:
            found = await tx.scalar(query, {"given": pack_texts(given_texts)})
            assert found == given_texts


@given(st.uuids())
def test_a_uuid_of_the_driver_is_like_any_other(one: uuid.UUID) -> None:
    read = read_uuid(str(one))
    assert isinstance(read, uuid.UUID)
    assert (read, hash(read), str(read), read.bytes) == (one, hash(one), str(one), one.bytes)
