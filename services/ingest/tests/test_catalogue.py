"""The catalogue: what is learnt, masked and drafted, and that merging has no order."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport_common.db import create_engine
from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_ingest.domain.catalogue import (
    MAX_EXAMPLE_BYTES,
    MAX_PATHS,
    Learnt,
    Shape,
    described,
    drafted,
    example_of,
    is_masked,
    is_moment,
    learn,
    merged,
)
from rapport_ingest.domain.personal import by_name, by_value
from rapport_ingest.domain.plan import Plan, PlannedEvent
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.cataloguing import MAX_ENTRIES, Cataloguing
from rapport_ingest.store import catalogue as store
from rapport_ingest.store.catalogue import EventName

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBERS = count()


def shape_of(*events: dict[str, Any]) -> Shape:
    shape: Shape = {}
    for one in events:
        learn(shape, one)
    return shape


def event(name: str | None, at: datetime = NOW, **more: Any) -> Event:
    return Event(
        workspace=more.get("workspace", "demo"),
        source="web",
        message_id="m",
        type=more.get("type", "track"),
        timestamp=at,
        received_at=at,
        identifiers=[("user_id", "u")],
        name=name,
    )


def test_paths_types_formats_and_guesses_are_learnt() -> None:
    shape = shape_of(
        {"properties": {"total": 1, "products": [{"price": 1.5}, {"price": 2}]}},
        {"properties": {"total": None, "at": "2026-01-31T09:30:00Z"}, "traits": {"email": "x"}},
    )
    found = {one["path"]: one for one in described(shape)}
    assert found["properties.total"]["types"] == ["integer", "null"]
    assert found["properties.products[].price"] == {
        "path": "properties.products[].price",
        "seen": 2,
        "types": ["integer", "number"],
        "formats": [],
        "pii": [],
    }
    assert found["properties.at"]["formats"] == ["date-time"]
    assert found["traits.email"]["pii"] == ["email"]


def test_a_name_with_a_dot_is_one_name() -> None:
    """`a.b` and `b` in `a` are two properties, in the shape and in the plan that is drafted."""
    properties = {"a.b": 1, "a": {"b": "x"}, "c": [{"d.e": True}]}
    shape = shape_of({"properties": properties}, {"properties": properties})
    assert shape[r"properties.a\.b"]["integer"] == 2
    assert shape["properties.a.b"]["string"] == 2
    draft = drafted(shape, "properties")["properties"]
    assert draft["a.b"] == {"type": "integer"}
    assert draft["a"]["properties"] == {"b": {"type": "string"}}
    assert draft["c"]["items"]["required"] == ["d.e"]


def test_a_shape_that_is_stored_is_read_as_it_was_written() -> None:
    """A backslash stood for itself in the paths of the release before."""
    shape = {"properties": {"object": 1, "seen": 1}, r"properties.a\b": {"seen": 1, "string": 1}}
    draft = drafted(shape, "properties")
    assert (draft["properties"], draft["required"]) == ({r"a\b": {"type": "string"}}, [r"a\b"])


def test_hostile_names_are_bounded() -> None:
    wide = {f"k{index}": index for index in range(5000)}
    deep: dict[str, Any] = {"end": 1}
    for _ in range(50):
        deep = {"down": deep}
    shape = shape_of({"properties": {"a[b": 1, "x" * 500: 1, "deep": deep, **wide}})
    assert len(shape) <= MAX_PATHS
    assert shape["properties.(other)"]["seen"] == 2
    assert max(path.count(".") for path in shape) <= 5
    assert all(len(path) < 600 for path in shape)


@pytest.mark.parametrize(
    ("value", "guess"),
    [
        ("ada@example.com", "email"),
        ("write to ada@example.com, please", "email"),
        ("+43 664 1234567", "phone"),
        ("4111 1111 1111 1111", "card"),
        (4111111111111111, "card"),
        ("4111 1111 1111 1112", None),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("DE88 3704 0044 0532 0130 00", None),
        ("192.0.2.7", "ip"),
        ("2001:db8::1", "ip"),
        ("1.2.3", None),
        ("12:30", None),
        ("SKU-4711", None),
        (129.9, None),
        (True, None),
        ("", None),
    ],
)
def test_personal_data_is_guessed_by_value(value: Any, guess: str | None) -> None:
    assert by_value(value) == guess


@pytest.mark.parametrize(
    ("name", "root", "guess"),
    [
        ("E-Mail", "traits", "email"),
        ("firstName", "traits", "name"),
        ("name", "traits", "name"),
        ("name", "properties", None),
        ("date_of_birth", "traits", "birth_date"),
        ("shipping_address", "properties", "address"),
        ("total", "properties", None),
    ],
)
def test_personal_data_is_guessed_by_name(name: str, root: str, guess: str | None) -> None:
    assert by_name(name, root) == guess


def test_an_example_shows_nothing_personal() -> None:
    found = example_of(
        {
            "userId": "u-1",
            "properties": {"note": "call ada@example.com", "total": 9, "long": "x" * 900},
            "traits": {"address": {"street": "Ring 1", "nested": [{"door": 7}]}, "vip": True},
        },
        "2026",
    )
    assert found == {
        "at": "2026",
        "properties": {"note": "(email)", "total": 9, "long": "x" * 200 + "…"},
        "traits": {
            "address": {"street": "(address)", "nested": [{"door": "(address)"}]},
            "vip": True,
        },
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PAYLOADS = st.dictionaries(st.text(max_size=8), JSON, max_size=6)


@given(PAYLOADS)
def test_any_event_can_be_learnt_and_shown(payload: dict[str, Any]) -> None:
    fields = {"properties": payload, "traits": payload}
    assert len(shape_of(fields)) <= MAX_PATHS
    example = example_of(fields, "2026")
    assert example is None or len(msgspec.json.encode(example)) <= MAX_EXAMPLE_BYTES


SIMPLE = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
        ),
        max_leaves=6,
    ),
)


@given(st.lists(SIMPLE, min_size=1, max_size=6))
def test_what_was_seen_keeps_to_the_draft(payloads: list[dict[str, Any]]) -> None:
    shape = shape_of(*({"properties": one} for one in payloads))
    schema = drafted(shape, "properties")
    plan = Plan([PlannedEvent("track", "x", "1", schema)])
    assert [plan.check("track", "x", None, one) for one in payloads] == [[] for _ in payloads]


def test_a_draft_requires_what_was_never_missing() -> None:
    shape = shape_of(
        {"properties": {"total": 1, "products": [{"id": "1", "x": 1}, {"id": "2"}]}},
        {"properties": {"total": 2.5, "coupon": "A", "products": []}},
    )
    schema = drafted(shape, "properties")
    assert schema["required"] == ["products", "total"]
    assert schema["properties"]["total"] == {"type": "number"}
    assert schema["properties"]["products"]["items"]["required"] == ["id"]


PIECES = st.lists(
    st.builds(
        lambda seconds, events, shape, shown: Learnt(
            events,
            1,
            NOW + timedelta(seconds=seconds),
            NOW + timedelta(seconds=seconds + 1),
            shape,
            {"at": f"2026-03-01T12:00:{seconds:02}.{next(NUMBERS):06}Z"} if shown else None,
        ),
        st.integers(0, 59),
        st.integers(1, 9),
        st.dictionaries(
            st.text("ab\u00e9\U0001f600Z", min_size=1, max_size=3),
            st.dictionaries(st.sampled_from(["seen", "string", "pii:email"]), st.integers(1, 9)),
            max_size=5,
        ),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


@given(PIECES, st.randoms())
def test_pieces_merge_in_any_order(pieces: list[Learnt], random: Any) -> None:
    expected = reduce(merged, pieces)
    random.shuffle(pieces)
    while len(pieces) > 1:
        one = pieces.pop(random.randrange(len(pieces)))
        other = pieces.pop(random.randrange(len(pieces)))
        pieces.append(merged(one, other))
    assert pieces == [expected]


def test_of_too_many_paths_the_same_stay_in_any_order() -> None:
    parts = [
        Learnt(1, 1, NOW, NOW, {f"p{number:04}": {"seen": 1} for number in range(start, 900, 3)})
        for start in range(3)
    ]
    one = reduce(merged, parts)
    assert one == reduce(merged, parts[::-1])
    assert sorted(one.shape) == [f"p{number:04}" for number in range(MAX_PATHS)]


@pytest.mark.integration
async def test_postgres_merges_as_the_domain_does(shared_database: str) -> None:
    engine = create_engine(shared_database, application="test", pool=2)
    seen: list[list[Learnt]] = []

    @settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
    @given(PIECES)
    def collect(pieces: list[Learnt]) -> None:
        seen.append(pieces)

    collect()
    many = {f"p{number:04}": {"seen": 1} for number in range(150)}
    more = {f"p{number:04}": {"seen": 1} for number in range(100, 290)}
    seen.append([Learnt(1, 1, NOW, NOW, more), Learnt(1, 1, NOW, NOW, many)])
    try:
        for index, pieces in enumerate(seen):
            key = EventName("merging", "web", "track", f"event {index}")
            async with engine.begin() as tx:
                for one in pieces:
                    await store.merge(tx, {key: one})
                (found,) = await store.entries(tx, "merging", name=key.name)
            # A path without any count can't be told from one that was never seen.
            expected = reduce(merged, pieces)
            expected.shape = {path: one for path, one in expected.shape.items() if one}
            assert found.learnt == expected
    finally:
        await engine.dispose()


@pytest.mark.integration
async def test_names_beyond_the_bound_are_counted_as_other(shared_database: str) -> None:
    engine = create_engine(shared_database, application="test", pool=2)
    try:
        for _ in range(2):  # a second process, or the same after a restart
            learning = Cataloguing(engine)
            for number in range(MAX_ENTRIES + 100):
                name = f"event {number} of {id(learning)}"
                learning.note(event(name, workspace="hostile"), {"properties": {"a": 1}})
            learning.note(event("x" * 600, workspace="hostile"), {})
            await learning.flush()
            learning.note(event(f"event 1 of {id(learning)}", workspace="hostile"), {})
            await learning.flush()
        async with engine.begin() as tx:
            sizes = await store.sizes(tx, [Caller("hostile", "web")])
            (other,) = await store.entries(tx, "hostile", name="(other)")
            every = await store.entries(tx, "hostile", limit=5000)
        assert list(sizes.values()) == [MAX_ENTRIES + 1]
        assert other.learnt.events == 101 + MAX_ENTRIES + 101 + 1
        assert sum(one.learnt.events for one in every) == 2 * (MAX_ENTRIES + 102)
    finally:
        await engine.dispose()


def test_a_known_shape_is_sampled_by_count_and_by_time() -> None:
    learning = Cataloguing(create_engine("postgresql://u:p@127.0.0.1:1/x", application="test"))

    def looked_at(events: int, at: datetime) -> int:
        before = next(iter(learning._entries.values())).samples if learning._entries else 0
        for _ in range(events):
            learning.note(event("Paid", at), {"properties": {"a": 1}})
        return next(iter(learning._entries.values())).samples - before

    assert looked_at(20, NOW) == 20
    assert looked_at(1000, NOW) == 10
    assert looked_at(5, NOW + timedelta(seconds=11)) == 1


@pytest.mark.integration
async def test_what_could_not_be_stored_is_kept(gate: Any) -> None:
    engine = create_engine(gate.url, application="test", pool=2)
    learning = Cataloguing(engine)
    learning.note(event("Paid", workspace="kept"), {"properties": {"a": 1}})
    await gate.shut()
    with pytest.raises(Exception):  # noqa: B017, PT011 - what a lost Postgres raises differs
        await learning.flush()
    learning.note(event("Paid", workspace="kept"), {"properties": {"a": 1}})
    await gate.open()
    await learning.flush()
    async with engine.begin() as tx:
        (found,) = await store.entries(tx, "kept")
    await engine.dispose()
    assert (found.learnt.events, found.learnt.samples) == (2, 2)
    assert found.learnt.shape["properties.a"] == {"seen": 2, "integer": 2}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-31T09:30:00Z", True),
        ("2026-01-31t09:30:00.123+01:00", True),
        ("2026-01-31T09:30:00", False),
        ("2026-01-31", False),
        ("2026-13-31T09:30:00Z", False),
        ("2026-01-31 09:30:00Z", False),
        ("order-2026T", False),
    ],
)
def test_a_moment_has_a_day_a_time_and_an_offset(text: str, found: bool) -> None:  # noqa: FBT001 - a column
    assert is_moment(text) is found


def test_what_was_cut_or_hidden_is_told_from_what_was_sent() -> None:
    sent = {"properties": {"long": "x" * 500, "mail": "ada@example.com", "n": 5, "t": "short"}}
    example = example_of(sent, "2026-03-01T12:00:00Z")
    assert example is not None
    masked = {name for name, value in example["properties"].items() if is_masked(value)}
    assert masked == {"long", "mail"}


def test_an_example_that_is_too_large_is_none_and_deep_objects_are_empty() -> None:
    wide = {"properties": {f"{n}-{'x' * 90}": 1 for n in range(100)}}
    assert example_of(wide, "2026-03-01T12:00:00Z") is None
    deep: dict[str, Any] = {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}
    example = example_of({"properties": deep}, "2026-03-01T12:00:00Z")
    assert example is not None
    assert example["properties"] == {"a": {"a": {"a": {"a": {"a": {}}}}}}


def test_a_number_that_is_sometimes_whole_is_a_number() -> None:
    shape = shape_of({"properties": {"total": 1}}, {"properties": {"total": 1.5}})
    assert drafted(shape, "properties")["properties"]["total"] == {"type": "number"}


def test_a_text_that_is_always_a_moment_is_drafted_as_one() -> None:
    moments = [{"properties": {"at": f"2026-01-0{n}T09:30:00Z"}} for n in (1, 2)]
    wanted = {"type": "string", "format": "date-time"}
    assert drafted(shape_of(*moments), "properties")["properties"]["at"] == wanted
    mixed = shape_of(*moments, {"properties": {"at": "soon"}})
    assert drafted(mixed, "properties")["properties"]["at"] == {"type": "string"}
