"""What is made in a quicker way is what the standard library makes."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.judging import NOON

from rapport_segment.domain.membership import Moment, Person, entry_id
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.values import instant

RULE: dict[str, Any] = {"computed": "orders", "op": "gte", "value": 1}
HOURS = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.datetimes(timezones=st.one_of(st.none(), st.just(UTC), HOURS)))
def test_instants_are_of_fixed_width_in_utc(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        expected = f"{aware.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"
    except OverflowError:
        expected = None
    assert instant(moment) == expected


@given(
    st.uuids(), st.uuids(), st.text(), st.lists(st.integers(0), max_size=3), st.integers(1, 2**31)
)
def test_the_id_of_an_entry_is_a_uuid_of_version_5(
    segment: uuid.UUID, who: uuid.UUID, workspace: str, versions: list[int], version: int
) -> None:
    person = Person(workspace, who, versions=tuple(versions))
    definition = Definition.of(segment, version, "x", parse(RULE))
    name = f"{workspace}/{who}/{'.'.join(map(str, versions))}/{version}"
    assert entry_id(person, definition, Moment(NOON, "event")) == uuid.uuid5(segment, name)
