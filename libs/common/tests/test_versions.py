"""What a record says it is: every version is read as the newest, and nothing else is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.codec import encode
from rapport_common.events.keys import Key, kafka_key
from rapport_common.events.topics import EVENTS, PROFILE_ACTIVITY, TOPICS, Topic
from rapport_common.events.versions import (
    GARBAGE,
    Reader,
    UnknownVersionError,
    UnreadableError,
    header,
)
from rapport_common.kafka.producer import Outgoing

EXAMPLES = Path(__file__).parents[1] / "examples"
GOLDEN = sorted(EXAMPLES.glob("*/v*/*.json"))
PERSON = "01890a5d-ac96-774b-bcce-b302099a8057"


class First(msgspec.Struct, frozen=True):
    workspace: str
    profile_id: str
    name: str


class Second(msgspec.Struct, frozen=True):
    workspace: str
    profile_id: str
    names: list[str]


def as_second(one: First) -> Second:
    if not one.name:
        message = "nobody"
        raise ValueError(message)
    return Second(one.workspace, one.profile_id, one.name.split())


def topic_of(*versions: type[Any], **more: Any) -> Topic:
    return Topic(
        name="a.topic",
        key=Key.PROFILE,
        versions=versions,
        producers=("segment",),
        consumers=("segment",),
        description="for these tests",
        **more,
    )


TOPIC = topic_of(First, Second, upcasts=(as_second,))
READER = Reader(TOPIC)
OLD = encode(First("acme", PERSON, "Ada Lovelace"))
NEW = encode(Second("acme", PERSON, ["Ada"]))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_golden_record_is_read_as_the_newest(path: Path) -> None:
    topic = next(one for one in TOPICS if one.name == path.parts[-3])
    read = Reader(topic).read(path.read_bytes(), int(path.parent.name[1:]))
    assert type(read) is topic.record


def test_each_version_is_read_as_the_newest() -> None:
    assert READER.read(OLD, None).names == READER.read(OLD, 1).names == ["Ada", "Lovelace"]
    assert READER.read(NEW, 2).names == ["Ada"]


def test_steps_follow_each_other() -> None:
    def as_first(one: Second) -> First:
        return First(one.workspace, one.profile_id, "-".join(one.names))

    third = topic_of(First, Second, First, upcasts=(as_second, as_first))
    assert Reader(third).read(OLD, 1).name == "Ada-Lovelace"
    assert Reader(third).read(NEW, 2).name == "Ada"
    assert Reader(third).read(OLD, 3).name == "Ada Lovelace"


def test_a_newer_version_is_not_judged() -> None:
    with pytest.raises(UnknownVersionError, match=r"version 3.*up to 2"):
        READER.read(b"whatever it may be", 3)


@pytest.mark.parametrize(
    ("value", "version"),
    [
        *((NEW, 1), (OLD, 2), (b"", None), (None, 2), (b"\xff", 1), (b"[" * 10_000, 2)),
        (OLD, GARBAGE),
        # What a record keeps as it stands is JSON, too.
        *((NEW[:-1] + b',"kept":{"a":"' + bad + b'"}}', 2) for bad in (b"\xff", b"\xed\xa0\x80")),
        # The step to the newest can't take it: it is that record's fault, and nobody else's.
        (encode(First("acme", PERSON, "")), 1),
    ],
)
def test_what_is_no_such_record_is_named(value: bytes | None, version: int | None) -> None:
    with pytest.raises(UnreadableError):
        READER.read(value, version)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        *((b"a.topic/1", 1), (b"a.topic/2", 2), (b"a.topic/3", 3), (b"a.topic/9999", 9999)),
        *((one, GARBAGE) for one in (b"", None, b"a.topic", b"a.topic/", b"a.topic/0")),
        *(
            (one, GARBAGE)
            for one in (b"a.topic/10000", b"a.topic/1 ", b"other/1", b"/1", b"\xff/1")
        ),
        *((one, GARBAGE) for one in (b"\xff/1", b"a.topic/-1", b"a.topic/01", b"a.topic/1/1")),
        ("a.topic/\u0661".encode(), GARBAGE),
    ],
)
def test_a_header_is_a_version_or_garbage(told: bytes | None, version: int) -> None:
    assert READER.version(told) == version


@given(st.binary(max_size=30) | st.sampled_from([header(one.name, 1) for one in TOPICS]))
def test_no_header_breaks_a_reader(told: bytes) -> None:
    version = READER.version(told)
    assert version == GARBAGE or header(TOPIC.name, version) == told


def test_a_topic_has_a_step_for_each_version() -> None:
    for versions, steps in (((First, Second), ()), ((First,), (as_second,))):
        with pytest.raises(ValueError, match="function"):
            topic_of(*versions, upcasts=steps)
    for one in TOPICS:
        assert one.version == len(one.versions)


def test_a_new_record_is_of_the_newest_version() -> None:
    made = Outgoing.of(TOPIC, Second("acme", PERSON, ["Ada"]), "trace")
    wanted = Outgoing(TOPIC.name, bytes.fromhex(PERSON.replace("-", "")), NEW, "trace", 2)
    assert made == wanted
    with pytest.raises(TypeError, match="First is not the newest"):
        Outgoing.of(TOPIC, First("acme", PERSON, "Ada"))


NAMED = {
    Key.PROFILE: {"profile_id": PERSON},
    Key.SEGMENT: {"segment_id": PERSON},
    Key.TRAIT: {"name": "one"},
    Key.WORKSPACE: {"workspace": "one"},
}
"""What is the same in all records that are keyed alike."""


def test_topics_about_the_same_thing_have_the_same_keys() -> None:
    """All that is keyed alike is in the same partition of each topic."""
    keys: dict[Key, set[bytes]] = {}
    for path in GOLDEN:
        topic = next(one for one in TOPICS if one.name == path.parts[-3])
        record = Reader(topic).read(path.read_bytes(), int(path.parent.name[1:]))
        if topic.key in NAMED:
            record = msgspec.structs.replace(record, **NAMED[topic.key])
        keys.setdefault(topic.key, set()).add(kafka_key(topic.key, record, b"k" * 32))
    assert set(keys) == set(Key)
    assert keys[Key.PROFILE] == keys[Key.SEGMENT] == {bytes.fromhex(PERSON.replace("-", ""))}
    assert {len(one) for found in keys.values() for one in found} == {16}
    assert all(one.partitions == PROFILE_ACTIVITY.partitions for one in TOPICS)


def test_a_persons_key_takes_the_secret() -> None:
    event = Reader(EVENTS).read((EXAMPLES / "events/v1/order.json").read_bytes(), None)
    with pytest.raises(ValueError, match="secret"):
        Outgoing.of(EVENTS, event)
    one, other = (Outgoing.of(EVENTS, event, secret=key * 32).key for key in (b"a", b"b"))
    assert one != other


def test_a_consumers_reader_knows_the_newest() -> None:
    assert Reader(replace(TOPIC, name="b")).newest == 2
