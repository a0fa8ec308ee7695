"""Topic patterns and the translation of messages, without a broker."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_ingest.domain.bridging import Message, Topic, Translator
from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.topics import TopicPattern


@pytest.mark.parametrize(
    ("pattern", "topic", "levels"),
    [
        (
            "shops/{store}/devices/{device}/+",
            "shops/s1/devices/d/x",
            {"store": "s1", "device": "d"},
        ),
        ("shops/{store}/devices/{device}/+", "shops/s1/devices/d", None),
        ("shops/{store}/devices/{device}/+", "shops/s1/devices/d/x/y", None),
        ("shops/{store}/#", "shops/s1", {"store": "s1"}),
        ("shops/{store}/#", "shops/s1/a/b", {"store": "s1"}),
        ("shops/{store}/#", "shops", None),
        ("{a}/b", "/b", {"a": ""}),
        ("a", "A", None),
        ("#", "any/thing", {}),
        ("#", "$SYS/load", None),
        ("{a}", "$SYS", None),
        ("$SYS/{name}", "$SYS/load", {"name": "load"}),
    ],
)
def test_a_topic_and_its_levels(pattern: str, topic: str, levels: dict[str, str] | None) -> None:
    assert TopicPattern(pattern).match(topic) == levels


@pytest.mark.parametrize(
    "pattern",
    ["", "a/#/b", "a+/b", "a#", "{a}/{a}", "{a}x/b", "{1a}/b", "x/{}", "a\0b", "a" * 70_000],
)
def test_a_pattern_that_no_broker_would_take(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"topic pattern|stands twice|mixes|only be the last"):
        TopicPattern(pattern)


LEVEL = st.text(st.characters(exclude_characters="/+#{}$\0", codec="utf-8"), max_size=5)


@given(st.lists(st.tuples(LEVEL, st.booleans()), min_size=1, max_size=6), st.booleans())
def test_a_topic_made_of_a_pattern_gives_its_levels_back(
    levels: list[tuple[str, bool]],
    more: bool,  # noqa: FBT001 - hypothesis gives it by position
) -> None:
    parts = [f"{{n{i}}}" if named else level for i, (level, named) in enumerate(levels)]
    pattern = "/".join([*parts, "#"] if more else parts)
    topic = "/".join(level for level, _ in levels)
    if not pattern:
        return
    wanted = {f"n{i}": level for i, (level, named) in enumerate(levels) if named}
    assert TopicPattern(pattern).match(topic) == wanted
    assert TopicPattern(pattern).match(topic + "/tail") == (wanted if more else None)


def translated(mapping: dict[str, Any], payload: Any, spare: str = "spare") -> dict[str, Any]:
    topic = msgspec.convert({"pattern": "d/{device}", "mapping": mapping}, Topic)
    translator = Translator([topic])
    original = translator.original(Message("d/7", json.dumps(payload).encode()))
    found: dict[str, Any] = msgspec.json.decode(translator.event(original, spare))
    return found


def test_the_id_is_the_mappings_else_the_contents_else_the_deliverys() -> None:
    plain = {"event": "x", "fields": {"anonymousId": "levels.device"}}
    timed = {"event": "x", "fields": {**plain["fields"], "timestamp": "payload.at"}}  # type: ignore[dict-item] # a dict
    named = {"event": "x", "fields": {**timed["fields"], "messageId": "payload.n"}}  # type: ignore[dict-item] # a dict
    payload = {"at": "2026-01-31T09:30:00Z", "n": 5}
    assert translated(plain, payload)["messageId"] == "spare"
    assert translated(named, payload)["messageId"] == "5"
    first, again = (translated(timed, payload, spare)["messageId"] for spare in "ab")
    assert first == again
    assert first != translated(timed, {**payload, "n": 6})["messageId"]
    # A time that is not there tells nothing: the next message may be equal and another.
    assert translated(timed, {"n": 5})["messageId"] == "spare"


def test_a_topic_of_no_pattern_is_refused() -> None:
    mapping = {"event": "x", "fields": {"anonymousId": "topic"}}
    translator = Translator([msgspec.convert({"pattern": "a/+", "mapping": mapping}, Topic)])
    with pytest.raises(UnfitError, match="No topic pattern"):
        translator.event(translator.original(Message("b/1", b"1")), "spare")
