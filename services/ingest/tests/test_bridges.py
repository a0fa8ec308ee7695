"""Bridges: the file that declares them, what becomes of a message, and of one that was kept."""

import hashlib
from typing import Any

import msgspec
import pytest

from rapport_ingest.domain.bridging import Message, Topic, Translator, read_bridges, translators
from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import DEFAULT, Caller

MAPPING = {
    "event": "Pressed",
    "fields": {"anonymousId": "levels.device", "properties.p": "payload"},
}
BRIDGE = {
    "id": "b",
    "workspace": "acme",
    "source": "devices",
    "broker": "hall",
    "topics": [{"pattern": "d/{device}", "mapping": MAPPING}],
}
ACME = Caller("acme", "devices")


def file_of(*bridges: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"brokers": {"hall": {"host": "mqtt.example"}}, "bridges": bridges})


def of_pattern(pattern: str) -> dict[str, Any]:
    return {"pattern": pattern, "mapping": MAPPING}


def test_a_source_gets_the_topics_of_all_its_bridges_once() -> None:
    more = {**BRIDGE, "id": "c", "topics": [of_pattern("d/{other}"), of_pattern("e/#")]}
    other = {**BRIDGE, "source": "doors", "id": "d"}
    made = translators(read_bridges(file_of(BRIDGE, more, other)))
    assert {caller: one.filters for caller, one in made.items()} == {
        ACME: ["d/+", "e/#"],
        Caller("acme", "doors"): ["d/+"],
    }


@pytest.mark.parametrize(
    ("bridges", "problem"),
    [
        ([BRIDGE, BRIDGE], "same id"),
        ([{**BRIDGE, "broker": "attic"}], "no broker 'attic'"),
        ([{**BRIDGE, "receive_maximum": 0}], "receive_maximum is 1 to 65535"),
        ([{**BRIDGE, "topics": []}], "needs a topic"),
        ([{**BRIDGE, "topics": [of_pattern("a#")]}], "mixes"),
        ([{**BRIDGE, "colour": "red"}], "colour"),
    ],
)
def test_a_file_that_can_not_be_followed_says_where(
    bridges: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        read_bridges(file_of(*bridges))


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        (b'{"n":1}', {"payload": {"n": 1}}),
        (b"21.5", {"payload": 21.5}),
        ("grün".encode(), {"payload": "grün"}),
        (b"", {"payload": ""}),
        (b"\xff", {"payload_base64": "/w=="}),
    ],
)
def test_a_payload_is_json_else_text_else_kept_in_base64(
    payload: bytes, read: dict[str, Any]
) -> None:
    translator = Translator([msgspec.convert(of_pattern("d/{device}"), Topic)])
    original = translator.original(Message("d/7", payload))
    assert msgspec.json.decode(original) == {"topic": "d/7", "levels": {"device": "7"}, **read}
    if "payload_base64" in read:
        with pytest.raises(UnfitError, match="neither JSON nor text") as caught:
            translator.event(original, "spare")
        assert (caught.value.code, caught.value.message_id) == ("invalid_payload", "spare")
    else:
        assert msgspec.json.decode(translator.event(original, "spare"))["anonymousId"] == "7"


def test_a_message_that_the_mapping_can_not_read_is_refused_with_the_field() -> None:
    field = {"path": "payload.n", "type": "integer"}
    mapping = {"event": "x", "fields": {"anonymousId": "topic", "properties.n": field}}
    translator = Translator([msgspec.convert({"pattern": "#", "mapping": mapping}, Topic)])
    with pytest.raises(UnfitError) as caught:
        translator.event(translator.original(Message("d/7", b'{"n":"x"}')), "spare")
    assert (caught.value.code, caught.value.path) == ("mapping_failed", "properties.n")


def test_what_was_kept_is_made_anew_by_the_rules_of_now() -> None:
    sender = compiled(ACME, DEFAULT, ())
    bridged = translators(read_bridges(file_of(BRIDGE)))
    kept = bridged[ACME].original(Message("d/7", b"1"))
    found = msgspec.json.decode(Reopener(bridged).event("mqtt", bytes(kept), sender, "m-1"))
    assert (found["event"], found["messageId"]) == ("Pressed", "m-1")
    with pytest.raises(UnfitError, match="No bridge") as caught:
        Reopener().event("mqtt", bytes(kept), sender, "m-1")
    assert (caught.value.code, caught.value.message_id) == ("no_mapping", "m-1")


def test_each_dialect_reads_what_it_kept() -> None:
    sender, again = compiled(ACME, DEFAULT, ()), Reopener()
    body = b'{"userId":"u-1"}'
    hook = msgspec.json.decode(again.event("webhook", body, sender, "m-1"))
    assert (hook["event"], hook["messageId"]) == ("Webhook Received", "m-1")
    cloud = b'{"id":"e","source":"/s","specversion":"1.0","type":"t"}'
    mark = hashlib.sha256(b"/s").hexdigest()[:20]
    assert (
        msgspec.json.decode(again.event("cloudevents", cloud, sender, "m"))["messageId"]
        == f"e.{mark}"
    )
    assert again.event("segment", body, sender, "m-1") == body
