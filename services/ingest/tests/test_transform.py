"""Declared changes to events, and what is refused as a declaration. No server."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_common.events.identifiers import is_placeholder
from rapport_ingest.domain.casting import Cast, cast
from rapport_ingest.domain.event import Judged, Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, SourcePolicy
from rapport_ingest.domain.transform import Transform, TransformError, compile_transforms
from rapport_ingest.domain.verdict import Refusal

NAMES = st.sampled_from(["a", "b", "c", "email"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
EVENTS = st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, VALUES, max_size=4)},
    optional={
        "traits": st.dictionaries(NAMES, VALUES, max_size=4),
        "event": NAMES,
        "userId": NAMES,
    },
)
STEPS = st.lists(NAMES | NAMES.map(lambda name: f"{name}[]"), min_size=1, max_size=3)
PATHS = st.builds(
    lambda root, steps: f"{root}.{'.'.join(steps)}".removesuffix("[]"),
    st.sampled_from(["properties", "traits"]),
    STEPS,
)
CASTS = st.sampled_from(["string", "number", "integer", "boolean", "datetime"])
DECLARED = st.one_of(
    st.builds(Transform, op=st.just("drop"), path=PATHS),
    st.builds(Transform, op=st.just("hash"), path=PATHS),
    st.builds(Transform, op=st.just("cast"), path=PATHS, type=CASTS),
    st.builds(
        Transform,
        op=st.just("default"),
        path=PATHS.filter(lambda path: path != "traits.email"),
        value=st.just(1),
    ),
    st.builds(
        Transform,
        op=st.just("rename"),
        path=st.builds("properties.{}".format, NAMES),
        to=st.builds("traits.{}".format, NAMES),
    ),
)


def changed(fields: dict[str, Any], *transforms: dict[str, Any]) -> dict[str, Any]:
    transform = compile_transforms([msgspec.convert(one, Transform) for one in transforms])
    assert transform is not None
    return transform(fields)


def outcome(fields: dict[str, Any], transforms: list[Transform]) -> tuple[str, str]:
    transform = compile_transforms(transforms)
    try:
        return "changed", repr(transform(deepcopy(fields)) if transform else fields)
    except TransformError as error:
        return error.path, error.reason


def refused(*transforms: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        compile_transforms([msgspec.convert(one, Transform) for one in transforms])
    field: str = caught.value.details["field"]
    assert caught.value.message.startswith(field)
    return field


def test_nothing_declared_costs_nothing() -> None:
    assert compile_transforms(()) is None


def test_a_renamed_field_keeps_its_value_and_moves_between_objects() -> None:
    fields = {"properties": {"customer": {"id": 7}, "x": None}}
    found = changed(
        fields,
        {"op": "rename", "path": "properties.customer.id", "to": "userId"},
        {"op": "rename", "path": "properties.x", "to": "traits.deep.x"},
        {"op": "rename", "path": "properties.missing", "to": "traits.missing"},
    )
    assert found == {
        "properties": {"customer": {}},
        "userId": 7,
        "traits": {"deep": {"x": None}},
    }


def test_a_field_can_move_below_its_own_name() -> None:
    found = changed(
        {"traits": {"mail": "a@b.c"}},
        {"op": "rename", "path": "traits.mail", "to": "traits.mail.x"},
    )
    assert found == {"traits": {"mail": {"x": "a@b.c"}}}


def test_renames_run_once_each_in_their_order_so_a_cycle_ends() -> None:
    found = changed(
        {"traits": {"a": 1}},
        {"op": "rename", "path": "traits.a", "to": "traits.b"},
        {"op": "rename", "path": "traits.b", "to": "traits.a"},
    )
    assert found == {"traits": {"a": 1}}


def test_a_field_that_no_object_can_hold_is_said() -> None:
    with pytest.raises(TransformError) as caught:
        changed(
            {"traits": {"a": 1, "b": "text"}},
            {"op": "rename", "path": "traits.a", "to": "traits.b.c"},
        )
    assert (caught.value.path, caught.value.reason) == ("traits.b.c", "traits.b: no object.")


def test_elements_of_arrays_are_changed_each() -> None:
    lines = [{"sku": "1", "price": "9.50"}, {"price": " 3 "}, "odd", None]
    found = changed(
        {"properties": {"products": lines, "mails": ["A@b.c", None]}},
        {"op": "cast", "path": "properties.products[].price", "type": "number"},
        {"op": "rename", "path": "properties.products[].sku", "to": "properties.products[].id"},
        {"op": "default", "path": "properties.products[].quantity", "value": 1},
        {"op": "hash", "path": "properties.mails[]"},
    )
    assert found["properties"]["products"] == [
        {"id": "1", "price": 9.5, "quantity": 1},
        {"price": 3, "quantity": 1},
        "odd",
        None,
    ]
    assert found["properties"]["mails"] == [sha256(b"a@b.c").hexdigest(), None]


def test_a_default_is_for_missing_and_null_only_and_never_shared() -> None:
    transform = compile_transforms(
        [
            Transform(op="default", path="properties.tags", value={"new": []}),
            Transform(op="default", path="properties.total", value=0),
        ]
    )
    assert transform is not None
    first = transform({"properties": {"tags": None, "total": False}})
    first["properties"]["tags"]["new"].append("changed")
    assert first["properties"]["total"] is False
    assert transform({}) == {"properties": {"tags": {"new": []}, "total": 0}}


def test_a_change_can_be_for_events_of_one_name() -> None:
    drop = {"op": "drop", "path": "properties", "event": "Paid"}
    assert changed({"event": "Paid", "properties": {"a": 1}}, drop) == {"event": "Paid"}
    assert changed({"name": "Paid", "properties": {"a": 1}}, drop) == {"name": "Paid"}
    assert changed({"event": "Seen", "properties": {}}, drop) == {"event": "Seen", "properties": {}}


@given(st.text("abcXYZ0189äÖß .-", min_size=1).filter(lambda text: not is_placeholder(text)))
def test_a_hash_ignores_case_and_space_and_is_not_hashed_again(text: str) -> None:
    fields = {"traits": {"email": f"  {text}\t"}}
    drop_case = {"op": "hash", "path": "traits.email"}
    once = changed(fields, drop_case)["traits"]["email"]
    assert once == sha256(text.strip().lower().encode()).hexdigest()
    assert changed({"traits": {"email": once}}, drop_case)["traits"]["email"] == once


@pytest.mark.parametrize(
    "written",
    ["info@straße.example", "INFO@STRAßE.example", "\ufeffinfo@xn--strae-oqa.example "],
)
def test_an_address_is_hashed_in_the_form_it_is_compared_in(written: str) -> None:
    found = changed({"traits": {"email": written}}, {"op": "hash", "path": "traits.email"})
    assert found["traits"]["email"] == sha256("info@straße.example".encode()).hexdigest()


@pytest.mark.parametrize("nobody", ["null", " Guest", 0, "{{user_id}}"])
def test_the_hash_of_a_placeholder_would_name_one_person(nobody: Any) -> None:
    assert changed({"userId": nobody}, {"op": "hash", "path": "userId"}) == {"userId": nobody}


def test_numbers_are_hashed_as_they_are_written_and_objects_not_at_all() -> None:
    hash_phone = {"op": "hash", "path": "traits.phone"}
    found = changed({"traits": {"phone": 431234567}}, hash_phone)
    assert found["traits"]["phone"] == sha256(b"431234567").hexdigest()
    with pytest.raises(TransformError, match="This object can't be hashed"):
        changed({"traits": {"phone": {}}}, hash_phone)
    with pytest.raises(TransformError, match="This boolean can't be hashed"):
        changed({"traits": {"phone": True}}, hash_phone)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (12, "string", "12"),
        (1.5, "string", "1.5"),
        (True, "string", "true"),
        (" 12 ", "number", 12),
        ("-1.50", "number", -1.5),
        ("1e3", "number", 1000.0),
        (".5", "number", 0.5),
        ("+7", "integer", 7),
        ("7.00", "integer", 7),
        (7.0, "integer", 7),
        ("YES", "boolean", True),
        (0, "boolean", False),
        ("2026-01-31", "datetime", "2026-01-31T00:00:00Z"),
        ("2026-01-31T10:30:00+01:00", "datetime", "2026-01-31T09:30:00Z"),
        (1769851800, "datetime", "2026-01-31T09:30:00Z"),
        ("1769851800123", "datetime", "2026-01-31T09:30:00.123000Z"),
    ],
)
def test_what_a_cast_reads(value: Any, wanted: Cast, expected: Any) -> None:
    found = cast(value, wanted)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({}, "string"),
        ([], "number"),
        ("", "number"),
        ("1,5", "number"),
        ("NaN", "number"),
        ("1e999", "number"),
        ("٣", "number"),
        ("9" * 5000, "number"),
        ("9" * 19, "integer"),
        (True, "number"),
        (1.5, "integer"),
        (1e300, "integer"),
        ("perhaps", "boolean"),
        (2, "boolean"),
        ("soon", "datetime"),
        (1e300, "datetime"),
        (True, "datetime"),
        ("0001-01-01T00:00:00+01:00", "datetime"),
    ],
)
def test_what_a_cast_refuses(value: Any, wanted: Cast) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller says what and where
        cast(value, wanted)


@given(VALUES, CASTS)
def test_a_cast_value_is_json_and_casts_to_itself(value: Any, wanted: Cast) -> None:
    try:
        once = cast(value, wanted)
    except ValueError:
        return
    assert msgspec.json.decode(msgspec.json.encode(once)) == once
    assert cast(once, wanted) == once


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)))  # noqa: DTZ001
def test_moments_survive_their_cast(moment: datetime) -> None:
    found = cast(moment.isoformat(), "datetime")
    assert datetime.fromisoformat(found) == moment
    milliseconds = int(moment.timestamp() * 1000)
    if 10**11 <= milliseconds < 10**14:
        read = datetime.fromisoformat(cast(milliseconds, "datetime"))
        assert abs(read - moment) <= timedelta(milliseconds=1)


@given(EVENTS, st.lists(DECLARED, max_size=4))
def test_the_same_event_gives_the_same_result(
    fields: dict[str, Any], transforms: list[Transform]
) -> None:
    assert outcome(fields, transforms) == outcome(fields, transforms)


@given(EVENTS, PATHS)
def test_what_is_dropped_is_gone_and_nothing_else(fields: dict[str, Any], path: str) -> None:
    before = deepcopy(fields)
    found = changed(fields, {"op": "drop", "path": path})
    last = path.rpartition(".")[2]
    assert outcome(found, [Transform(op="drop", path=path)]) == ("changed", repr(found))
    assert {key: found.get(key) for key in before} == {key: fields.get(key) for key in before}
    if path.count(".") == 1:
        root = path.partition(".")[0]
        assert last not in found.get(root, {})
        kept = {key: one for key, one in before.get(root, {}).items() if key != last}
        assert repr(found.get(root, {})) == repr(kept)


@given(EVENTS, NAMES, NAMES)
def test_a_rename_keeps_the_value(fields: dict[str, Any], old: str, new: str) -> None:
    before = deepcopy(fields)
    found = changed(
        fields, {"op": "rename", "path": f"properties.{old}", "to": f"traits.moved.{new}"}
    )
    assert old not in found["properties"]
    if old in before["properties"]:
        assert repr(found["traits"]["moved"][new]) == repr(before["properties"][old])
    else:
        assert repr(found) == repr(before)


@pytest.mark.parametrize(
    ("declared", "part"),
    [
        ({"op": "rename", "path": "traits.a"}, "to"),
        ({"op": "rename", "path": "traits.a", "to": "traits.a"}, "to"),
        ({"op": "rename", "path": "traits.a", "to": "workspace"}, "to"),
        ({"op": "rename", "path": "traits.a", "to": "properties"}, "to"),
        ({"op": "rename", "path": "traits.a[].b", "to": "traits.b"}, "to"),
        ({"op": "rename", "path": "traits.a[]", "to": "traits.b[]"}, "path"),
        ({"op": "rename", "path": "traits", "to": "properties.a"}, "path"),
        ({"op": "drop", "path": "workspace"}, "path"),
        ({"op": "drop", "path": "messageId"}, "path"),
        ({"op": "drop", "path": "userId.x"}, "path"),
        ({"op": "drop", "path": "properties[].x"}, "path"),
        ({"op": "drop", "path": ""}, "path"),
        ({"op": "drop", "path": "traits..a"}, "path"),
        ({"op": "drop", "path": "traits.a[0]"}, "path"),
        ({"op": "drop", "path": "traits." + "a." * 20 + "a"}, "path"),
        ({"op": "drop", "path": "traits.a", "to": "traits.b"}, "to"),
        ({"op": "drop", "path": "traits.a", "event": ""}, "event"),
        ({"op": "hash", "path": "timestamp"}, "path"),
        ({"op": "cast", "path": "traits.a"}, "type"),
        ({"op": "default", "path": "traits.a"}, "value"),
        ({"op": "default", "path": "traits.a", "value": "x" * 2000}, "value"),
        ({"op": "default", "path": "traits.a", "value": "\0"}, "value"),
        ({"op": "default", "path": "userId", "value": "nobody"}, "path"),
        ({"op": "default", "path": "traits.email", "value": "a@b.c"}, "path"),
    ],
)
def test_a_bad_declaration_is_named(declared: dict[str, Any], part: str) -> None:
    good = {"op": "drop", "path": "traits.x"}
    assert refused(good, good, declared) == f"transforms[2].{part}"


def test_too_many_changes_are_refused() -> None:
    assert refused(*[{"op": "drop", "path": "traits.x"}] * 101) == "transforms"


def judged(policy: SourcePolicy, fields: dict[str, Any]) -> Judged:
    clock = SenderClock(None, datetime(2026, 3, 1, tzinfo=UTC))
    origin = Origin(compiled(Caller("demo", "web"), policy, []), clock)
    return judge(msgspec.Raw(msgspec.json.encode(fields)), "track", origin, "spare")


def test_the_record_is_made_of_the_changed_event() -> None:
    policy = SourcePolicy(
        transforms=(
            Transform(op="rename", path="properties.customer", to="userId"),
            Transform(op="hash", path="properties.phone"),
            Transform(op="drop", path="context.ip"),
        )
    )
    found = judged(
        policy,
        {
            "event": "Paid",
            "properties": {"customer": "u-1", "phone": "+43 1"},
            "context": {"ip": "192.0.2.7"},
        },
    )
    assert not isinstance(found, Refusal)
    event = found[0]
    assert event.identifiers == [("user_id", "u-1")]
    assert msgspec.json.decode(event.properties) == {"phone": sha256(b"+43 1").hexdigest()}
    assert event.client is None


def test_an_event_that_cant_be_changed_is_refused_with_its_path() -> None:
    policy = SourcePolicy(
        transforms=(Transform(op="cast", path="properties.total", type="number"),)
    )
    found = judged(policy, {"event": "Paid", "messageId": "m-1", "properties": {"total": "much"}})
    assert found == Refusal(
        "m-1", "transform_failed", "properties.total", "This string can't be read as number."
    )


@pytest.mark.parametrize(
    ("elements", "path"),
    [(10_000, "properties.p[].x"), (31, ""), (1, None)],
    ids=["before it fills the memory", "when it is too large in the end", "not before"],
)
def test_what_grows_by_its_changes_is_measured_again(elements: int, path: str | None) -> None:
    """One kilobyte in each of ten thousand elements: 31 KB become more than ten megabytes."""
    default = Transform(op="default", path="properties.p[].x", value="v" * 1_000)
    properties = {"p": [{}] * elements, "note": "n" * 2_000}
    found = judged(
        SourcePolicy(transforms=(default,)),
        {"event": "Paid", "messageId": "m-1", "userId": "u", "properties": properties},
    )
    if path is None:
        assert not isinstance(found, Refusal)
    else:
        assert isinstance(found, Refusal)
        assert (found.message_id, found.code, found.path) == ("m-1", "event_too_large", path)


def test_defaults_in_defaults_do_not_multiply() -> None:
    """Each makes a thousand of one: three of them would make a thousand million."""
    paths = ("properties.p", "properties.p[].p", "properties.p[].p[].p")
    policy = SourcePolicy(
        transforms=tuple(Transform(op="default", path=one, value=[{}] * 300) for one in paths)
    )
    found = judged(policy, {"event": "Paid", "userId": "u", "properties": {}})
    assert isinstance(found, Refusal)
    assert (found.code, found.path) == ("event_too_large", "properties.p[].p")


def test_elements_are_changed_where_there_is_a_list_and_nothing_else_is() -> None:
    change = compile_transforms((Transform(op="hash", path="properties.tags[]"),))
    assert change is not None
    for value in ("x", {"a": 1}, None):
        fields = {"properties": {"tags": value}}
        assert change(deepcopy(fields)) == fields
    assert change({"properties": {"tags": ["x", None]}})["properties"]["tags"] == [
        sha256(b"x").hexdigest(),
        None,
    ]


@pytest.mark.parametrize(
    "transforms",
    [
        [{"op": "default", "path": "properties.card", "value": {"number": "9000"}}],
        [{"op": "default", "path": "properties.card.number", "value": "9000"}],
        [
            {"op": "default", "path": "properties.c", "value": "9000"},
            {"op": "rename", "path": "properties.c", "to": "properties.card.number"},
        ],
        [{"op": "default", "path": "context.traits", "value": {"email": "a@example.com"}}],
    ],
)
def test_no_default_reaches_a_field_that_names_people(transforms: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidRequestError, match="one person of all who have none"):
        compile_transforms(
            [msgspec.convert(one, Transform) for one in transforms], ["properties.card.number"]
        )


@pytest.mark.parametrize("nobody", ["null", "0", "guest"])
def test_a_hash_makes_nobody_of_nobody_in_a_declared_field(nobody: str) -> None:
    change = compile_transforms([Transform(op="hash", path="properties.card")], ["properties.card"])
    assert change is not None
    assert change({"properties": {"card": nobody}})["properties"]["card"] == nobody
