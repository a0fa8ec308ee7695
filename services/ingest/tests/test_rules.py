"""What the operators of a source declare: policies, plans, repairs; and what they watch."""

import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_common.events.envelope import Event
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.live import MAX_PAYLOAD_BYTES, Shown, decode, shown
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.plan import Plan, PlannedEvent, check_entries
from rapport_ingest.domain.planned import Breach, breach
from rapport_ingest.domain.policy import (
    MAX_ENTRIES,
    MAX_POLICY_BYTES,
    patched,
    read_policy,
    read_workspace_policy,
    shown_workspace,
)
from rapport_ingest.domain.policy import shown as shown_policy
from rapport_ingest.domain.repair import BeyondRepairError, mended, readable
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import (
    DEFAULT,
    Action,
    Caller,
    PlanRules,
    SourcePolicy,
    WorkspacePolicy,
)
from rapport_ingest.domain.transform import Transform, TransformError, compile_transforms
from rapport_ingest.domain.verdict import Refusal, Result

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ACME = Caller("acme", "shop")
PYTHON = ("Error", "object of", "NaN", "Out of range float", "codec", "recursion")


# --- policies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"allowed_ips": ["10.0.0.0/8", "nowhere"]}, "policy.allowed_ips[1]"),
        ({"allowed_ips": ["10.0.0.0/8"] * (MAX_ENTRIES + 1)}, "policy.allowed_ips"),
        ({"allowed_origins": ["shop"]}, "policy.allowed_origins[0]"),
        ({"events_per_day": 0}, "policy.events_per_day"),
        ({"events_per_second": "many"}, "policy.events_per_second"),
        ({"currency": "EURO"}, "policy.currency"),
        ({"country": "Germany"}, "policy.country"),
        ({"identifiers": {"Phone": ["traits.phone"]}}, "policy.identifiers"),
        ({"identifiers": {"phone": ["phone"]}}, "policy.identifiers"),
        ({"identifiers": {"phone": "traits.phone"}}, "policy.identifiers"),
        ({"colour": "red"}, "policy.colour"),
        ({"plan": {"colour": "red"}}, "policy.plan.colour"),
        ({"provenance": {"party": "third", "provider": " "}}, "policy.provenance.provider"),
        ({"provenance": {"party": "second", "provider": "X"}}, "policy.provenance.legal_basis"),
        ({"webhook": {"event": "x", "fields": {"userId": ""}}}, "policy.webhook.fields.userId"),
        ({"webhook": {"event": "x", "fields": {}}}, "policy.webhook.fields"),
        ({"transforms": [{"op": "drop", "path": "a..b"}]}, "policy.transforms[0].path"),
        ({"transforms": [{"op": "drop", "path": "traits.a"}] * 999}, "policy.transforms"),
        ({"currency": "a\0"}, "policy"),
        ({"currency": "\ud800"}, "policy"),
        ({"currency": "x" * MAX_POLICY_BYTES}, "policy"),
        ({"events_per_day": math.nan}, "policy"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_policy_is_refused_at_its_field(document: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_policy(document)
    assert caught.value.details["path"].startswith(path)
    assert caught.value.message.startswith("policy")
    assert not any(word in caught.value.message for word in PYTHON)


def test_what_nests_too_deeply_is_no_policy() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidRequestError, match="nested too deeply"):
        read_policy(deep)
    with pytest.raises(InvalidRequestError, match="nested deeper than 32 levels"):
        patched({}, {"a": [[{}]] * 2, "b": _nested(33)})


def _nested(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def test_a_good_policy_is_read_and_shown_with_its_defaults() -> None:
    document = patched({"events_per_day": 5}, {"events_per_day": None, "currency": "eur"})
    assert document == {"currency": "EUR"}
    good = {**document, "provenance": {"party": "third", "provider": "X", "legal_basis": "consent"}}
    good["webhook"] = {"event": "x", "fields": {"userId": "id"}}
    assert read_policy(good).currency == "EUR"
    assert shown_policy(document) == {**msgspec.to_builtins(DEFAULT), "currency": "EUR"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"blocked_identifiers": ["walk-in", " "]}, "policy.blocked_identifiers[1]"),
        ({"blocked_identifiers": ["x" * 10_000]}, "policy.blocked_identifiers[0]"),
        ({"blocked_identifiers": "walk-in"}, "policy.blocked_identifiers"),
        ({"blocked": []}, "policy.blocked"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_rule_of_a_workspace_is_refused_at_its_field(
    document: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_workspace_policy(document)
    assert caught.value.details["path"] == path
    assert "`list`" not in caught.value.message


def test_a_workspaces_rules_are_read_and_shown() -> None:
    document = {"blocked_identifiers": ["walk-in"]}
    assert read_workspace_policy(document) == WorkspacePolicy(blocked_identifiers=("walk-in",))
    assert shown_workspace({}) == {"blocked_identifiers": ()}
    assert shown_workspace(document) == {"blocked_identifiers": ("walk-in",)}


# --- plans -----------------------------------------------------------------------------------

PAID = {
    "properties": {"total": {"type": "number"}, "n": {"type": "integer"}},
    "required": ["total"],
}
PERSON = {"properties": {"name": {"type": "string"}}, "required": ["name"]}


def planned(
    fields: dict[str, Any], violations: Action = "reject", unplanned: Action = "reject"
) -> tuple[Event, Breach | None]:
    rules = PlanRules(violations=violations, unplanned=unplanned)
    entries = [PlannedEvent("track", "Paid", "1", PAID), PlannedEvent("identify", "", "1", PERSON)]
    sender = compiled(ACME, SourcePolicy(plan=rules), entries)
    stated = {"messageId": "m-1", "userId": "u-1", "type": "track", **fields}
    raw = msgspec.Raw(msgspec.json.encode(stated))
    open_to_all = compiled(ACME, DEFAULT, ())
    event = judge(raw, None, Origin(open_to_all, SenderClock(None, NOW)), "spare")
    assert not isinstance(event, Refusal)
    return event[0], breach(sender, event[0], stated)


def refusal(fields: dict[str, Any], **rules: Action) -> Refusal | None:
    event, found = planned(fields, **rules)
    return found.refusal(event) if found is not None else None


VERSION = {"protocols": {"event_version": 2}}


@pytest.mark.parametrize(
    ("fields", "code", "path", "words"),
    [
        ({"event": "Paid", "properties": {"total": "x"}}, "plan_violation", "properties.total", ""),
        ({"event": "Paid"}, "plan_violation", "properties.total", ""),
        (
            {"event": "Paid", "properties": {"total": "x", "n": 1.5}},
            "plan_violation",
            "properties.",
            "And 1 more.",
        ),
        ({"event": "Seen"}, "unplanned_event", "", "no track event 'Seen'."),
        ({"type": "page"}, "unplanned_event", "", "no page event."),
        ({"event": "Paid", "context": VERSION}, "unplanned_event", "", "'Paid' in version 2."),
        ({"type": "identify"}, "plan_violation", "traits.name", ""),
        ({"type": "identify", "traits": {"name": 7}}, "plan_violation", "traits.name", ""),
        (
            {"type": "identify", "traits": {"$set_once": {"name": 7}}},
            "plan_violation",
            "traits.name",
            "",
        ),
        (
            {"type": "identify", "context": {"traits": {"name": 7}}},
            "plan_violation",
            "traits.name",
            "",
        ),
    ],
)
def test_what_breaks_the_plan_is_refused_with_its_field(
    fields: dict[str, Any], code: str, path: str, words: str
) -> None:
    found = refusal(fields)
    assert found is not None
    assert (found.message_id, found.code) == ("m-1", code)
    assert found.path.startswith(path)
    assert words in found.reason
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "Paid", "properties": {"total": 1}},
        {
            "event": "Paid",
            "properties": {"total": 1},
            "context": {"protocols": {"event_version": 1}},
        },
        {
            "event": "Paid",
            "properties": {"total": 1},
            "context": {"protocols": {"event_version": ""}},
        },
        {"event": "Paid", "properties": {"total": 1}, "context": {"protocols": "x"}},
        {"type": "identify", "context": {"traits": {"name": "Ada"}}},
        {"type": "identify", "traits": {"$set_once": {"name": "Ada"}}},
    ],
)
def test_what_keeps_to_the_plan_is_no_breach(fields: dict[str, Any]) -> None:
    assert planned(fields)[1] is None


def test_the_policy_says_what_becomes_of_a_breach() -> None:
    bad, strange = {"event": "Paid"}, {"event": "Seen"}
    assert planned(bad, violations="allow")[1] is None
    assert planned(strange, unplanned="allow")[1] is None
    for fields, unplanned in ((bad, False), (strange, True)):
        event, found = planned(fields, violations="warn", unplanned="warn")
        assert found is not None
        assert (found.unplanned, found.refusal(event)) == (unplanned, None)


def test_a_source_without_a_plan_breaks_none() -> None:
    event, _ = planned({"event": "Paid"})
    assert breach(compiled(ACME, DEFAULT, ()), event, {}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "#/$defs/none"},
        {"properties": {"a": {"pattern": "("}}},
        {"$schema": "https://example.com/other"},
    ],
)
def test_a_stored_schema_that_is_no_longer_good_is_a_violation_and_no_failure(
    schema: dict[str, Any],
) -> None:
    [found] = (
        Plan([PlannedEvent("identify", "", "1", schema)]).check("identify", None, None, {}) or []
    )
    assert (found.path, found.rule) == ("traits", "schema")


# --- repairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "truncated", "reason"),
    [
        (b'{"a":1}', True, "truncated"),
        (b"[" * 100_000, False, "too_deep"),
        (b"{", False, "invalid_json"),
        (b'{"a":"\xff"}', False, "invalid_json"),
        (b"[1]", False, "not_an_object"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_can_not_be_repaired_says_why(body: bytes, truncated: bool, reason: str) -> None:  # noqa: FBT001 - a column
    with pytest.raises(BeyondRepairError) as caught:
        readable(body, truncated=truncated)
    assert caught.value.reason == reason


def test_a_repair_without_changes_is_what_was_sent() -> None:
    body = b' {"a" : 1.10}'
    assert readable(body, truncated=False) == {"a": 1.1}
    assert bytes(mended(body, None)) == body


def test_a_repair_makes_its_changes_or_says_why_not() -> None:
    change = compile_transforms((Transform(op="default", path="traits.a", value=1),))
    assert msgspec.json.decode(mended(b"{}", change)) == {"traits": {"a": 1}}

    def beyond(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "a": "\ud800"}

    with pytest.raises(TransformError) as caught:
        mended(b"{}", beyond)
    assert "not JSON that can be kept" in caught.value.reason


# --- what is watched -------------------------------------------------------------------------


def seen(raw: bytes, result: Result | None = None, kind: str | None = None) -> Shown:
    payload = shown(
        ACME,
        raw,
        result or Result("m-1", "accepted"),
        kind=kind,
        dialect="segment",
        received_at=NOW,
    )
    assert len(payload) <= MAX_PAYLOAD_BYTES
    found = decode(payload)
    assert isinstance(found, Shown)
    return found


def test_an_event_is_shown_with_what_people_know_it_by() -> None:
    found = seen(b'{"type":"track","event":"Paid","userId":42,"anonymousId":"a"}')
    assert (found.type, found.name, found.user_id, found.anonymous_id) == (
        "track",
        "Paid",
        "42",
        "a",
    )
    assert (found.received_at, found.truncated) == ("2026-01-31T09:30:00Z", False)
    other = seen(b'{"type":7,"name":"Home","userId":true}', kind="page")
    assert (other.type, other.name, other.user_id) == ("page", "Home", None)


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b"[" * 60_000, b'{"type":"' + b"x" * 70_000 + b'"}']
)
def test_what_can_not_be_read_is_shown_as_it_came(raw: bytes) -> None:
    found = seen(raw)
    assert found.type is None
    assert found.truncated is (len(raw) > len(found.body))


@given(st.binary(max_size=9_000), st.text(max_size=900), st.text(max_size=900))
def test_every_event_fits_into_its_message(raw: bytes, message_id: str, reason: str) -> None:
    result = Result(message_id, "rejected", "invalid", reason, message_id)
    found = seen(raw, result)
    assert message_id.startswith(found.message_id)


def test_texts_that_grow_when_written_are_cut_until_they_fit() -> None:
    result = Result("\1" * 900, "rejected", "\1" * 900, "\1" * 900, "\1" * 900)
    assert seen(b"\1" * 9_000, result).message_id == "\1" * 200


# --- whose data it is ------------------------------------------------------------------------


def test_an_event_of_a_partners_data_says_so() -> None:
    whose = {"party": "second", "provider": "X", "legal_basis": "contract"}
    partner = compiled(ACME, read_policy({"provenance": whose}), ())
    raw = msgspec.Raw(b'{"type":"identify","userId":"u-1"}')
    for sender, found in ((partner, whose), (compiled(ACME, DEFAULT, ()), None)):
        event = judge(raw, None, Origin(sender, SenderClock(None, NOW)), "spare")
        assert not isinstance(event, Refusal)
        assert msgspec.to_builtins(event[0].provenance) == found


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a": {"pattern": "("}}}, "events[0].schema.properties.a.pattern"),
        ({"type": 7}, "events[0].schema.type"),
        ({"$defs": {"a": 1}, "allOf": [{"$ref": "#/$defs/b"}]}, "events[0].schema.allOf[0].$ref"),
        ({"title": "a\0"}, "events[0].schema"),
        ({"title": "\ud800"}, "events[0].schema"),
        ({"title": "x" * 70_000}, "events[0].schema"),
        ({"format": "nonsense"}, "events[0].schema.format"),
        ({"$defs": {"a%20b": {}}, "$ref": "#/$defs/a%20b"}, "events[0].schema"),
        ({"allOf": [{"title": "x"}] * 2_001}, "events[0].schema"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_schema_that_can_not_be_used_is_refused(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_entries([PlannedEvent("track", "Paid", "1", schema)])
    assert caught.value.details["field"] == place


def test_a_part_that_is_referred_to_twice_and_one_in_a_list_are_found() -> None:
    twice = {"a": {"$ref": "#/allOf/0"}, "b": {"$ref": "#/allOf/0"}}
    schema = {"allOf": [{"type": "object"}], "properties": twice}
    check_entries([PlannedEvent("track", "Paid", "1", schema)])
    found = Plan([PlannedEvent("track", "Paid", "1", schema)]).check(
        "track", "Paid", None, {"a": 1}
    )
    assert [one.path for one in found or []] == ["properties.a"]


@pytest.mark.parametrize(("name", "version"), [("a\0", "1"), ("\ud800", "1"), ("a", "\udfff")])
def test_a_planned_name_that_can_not_be_stored_is_refused(name: str, version: str) -> None:
    with pytest.raises(InvalidRequestError, match="can be stored") as caught:
        check_entries([PlannedEvent("track", name, version, {})])
    assert caught.value.details["field"] == "events[0]"
