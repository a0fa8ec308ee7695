"""Which fields of an event say who it is about, as a source declares it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.envelope import Identifier
from rapport_common.events.identifiers import plain_identifiers
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.naming import (
    DEFAULT,
    MAX_FIELDS,
    MAX_KINDS,
    Namer,
    check_fields,
    usual_names,
)
from rapport_ingest.domain.reading import Refused
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, SourcePolicy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY: frozenset[str] = frozenset()
DECLARED = {
    "phone": ("traits.phone", "context.traits.phone"),
    "loyalty_card": ("properties.card.number",),
    "till_account": ("properties.account",),
    "email": (),
}
NAMER = Namer(DECLARED, "DE")


def names(fields: dict[str, Any], namer: Namer = NAMER, **more: Any) -> list[Identifier]:
    found, _ = namer.names(fields, is_group=more.get("group", False))
    return found


def refusal(fields: dict[str, Any], namer: Namer = NAMER, **more: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        names(fields, namer, **more)
    return caught.value.code, caught.value.path


def test_each_kind_is_read_from_its_fields_and_the_strongest_stands_first() -> None:
    event = {
        "anonymousId": "v-1",
        "properties": {"account": 7, "card": {"number": " 9000-17 "}},
        "userId": "42",
        "traits": {"phone": "0170 5861234", "email": "ada@example.com"},
    }
    assert names(event) == [
        ("user_id", "42"),
        ("phone", "+491705861234"),
        ("loyalty_card", "9000-17"),
        ("till_account", "7"),
        ("anonymous_id", "v-1"),
    ]


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("0170 5861234", "DE", "+491705861234"),
        ("+43 1 5861234", "DE", "+4315861234"),
        ("0043 1 5861234", "DE", "+4315861234"),
        ("0170 5861234", None, None),
        ("138 0013 8000", "CN", "+8613800138000"),
        (13800138000, "CN", "+8613800138000"),
        (13800138000.0, "CN", "+8613800138000"),
        # With its code or without? Nobody knows.
        ("4917012345678", "DE", None),
        (4917012345678, "DE", None),
        ("43 1 5861234", "AT", None),
        ("１３８００１３８０００", "CN", "+8613800138000"),
        ("12", "DE", None),
        ("call me", "DE", None),
        (True, "DE", None),
        (["0170 5861234"], "DE", None),
        ("0170 1234567 ext. 5", "DE", None),
    ],
)
def test_a_phone_is_one_of_the_sources_country(
    written: Any, country: str | None, number: str | None
) -> None:
    namer = Namer({"phone": ("traits.phone",)}, country)
    found = names({"userId": "u", "traits": {"phone": written}}, namer)
    assert found == [("user_id", "u"), *([("phone", number)] if number else [])]


def test_of_several_fields_the_first_with_a_value_counts() -> None:
    event = {"traits": {"phone": "none"}, "context": {"traits": {"phone": "0170 5861234"}}}
    assert names(event) == [("phone", "+491705861234")]
    assert names({"traits": {"phone": "030 5861234"}, **event}) == [("phone", "+491705861234")]
    assert names({**event, "traits": {"phone": "030 5861234"}}) == [("phone", "+49305861234")]


def test_a_groups_traits_are_not_the_persons() -> None:
    event = {"userId": "u", "traits": {"phone": "030 5861234"}}
    assert names(event, group=True) == [("user_id", "u")]


def test_a_kind_that_is_declared_is_read_from_there_alone() -> None:
    namer = Namer({"user_id": ("properties.customer",)}, None)
    event = {"userId": "of somebody else", "properties": {"customer": "c-1"}}
    assert names(event, namer) == [("user_id", "c-1")]
    assert refusal({"userId": "u"}, namer) == ("no_identifier", "properties.customer")
    assert refusal({"userId": "u"}, Namer(dict.fromkeys(DEFAULT, ()), None)) == (
        "no_identifier",
        "",
    )


@pytest.mark.parametrize("nobody", ["null", "0", " Till-7", "guest"])
def test_what_many_share_names_nobody(nobody: str) -> None:
    namer = Namer(DECLARED, "DE", frozenset({"till-7"}))
    event = {"userId": "u", "properties": {"account": nobody}}
    found, shared = namer.names(event, is_group=False)
    assert (found, shared) == ([("user_id", "u")], True)
    assert refusal({"properties": {"account": nobody}}, namer) == (
        "blocked_identifier",
        "properties.account",
    )


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("account", {"a": 1}, "invalid_type"),
        ("account", "x" * 600, "too_long"),
        ("account", [], "invalid_type"),
        ("account", "  ", "no_identifier"),
        ("card", "no object", "no_identifier"),
    ],
)
def test_what_can_be_no_identifier(field: str, value: Any, code: str) -> None:
    assert refusal({"properties": {field: value}})[0] == code


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["a@example.com", "b@example.com", "noreply@example.com", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["email", "traits", "phone", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "userId": JSON,
        "anonymousId": JSON,
        "traits": st.dictionaries(st.sampled_from(["email", "x"]), JSON, max_size=2),
        "context": st.dictionaries(st.sampled_from(["traits", "x"]), JSON, max_size=2),
    },
)


@given(EVENTS, st.sampled_from([NOBODY, frozenset({"a@example.com", "x"})]))
def test_the_default_written_out_is_the_default(
    event: dict[str, Any], blocked: frozenset[str]
) -> None:
    """The quick way and the general one say the same of every event."""

    def said(find: Any) -> Any:
        try:
            return find()
        except Refused as refused:
            return refused.code if refused.code != "too_long" else "invalid_type"

    usual = said(
        lambda: usual_names(event, event.get("traits", {}), event.get("context", {}), blocked)
    )
    general = said(lambda: Namer(DEFAULT, None, blocked).names(event, is_group=False))
    if isinstance(usual, str) or isinstance(general, str):
        assert usual == general
    else:
        assert usual[0] == general[0]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({f"k{number}": ("userId",) for number in range(MAX_KINDS + 1)}, "kinds"),
        ({"Phone": ("traits.phone",)}, "no name of a kind"),
        ({"userid": ("userId",)}, "would be taken for 'user_id'"),
        ({"loyalty__card": ("traits.c",)}, "would be taken for 'loyalty_card'"),
        ({"k" * 65: ("traits.phone",)}, "no name of a kind"),
        ({"phone": ("traits.phone",) * (MAX_FIELDS + 1)}, "fields"),
        *(
            ({"phone": (path,)}, "no field for it")
            for path in (
                *("phone", "traits", "traits.", ".phone", "userId.x", "messageId", ""),
                *("traits.phones.0", "traits.phones[0]", "properties.products[].card"),
                *("traits..phone", "traits." + "x" * 200, "traits" + ".x" * 8),
            )
        ),
    ],
)
def test_a_declaration_that_can_not_be_followed_is_refused(declared: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_fields(declared)


def test_what_can_be_declared() -> None:
    check_fields(
        {**DECLARED, "user_id": ("userId", "traits.id"), "device_id": ("context.device.id",)}
    )
    assert msgspec.json.decode(msgspec.json.encode(DECLARED), type=dict[str, tuple[str, ...]]) == (
        DECLARED
    )


def test_the_door_reads_by_the_sources_declaration() -> None:
    sender = compiled(
        Caller("w", "shop"),
        SourcePolicy(identifiers={"phone": ("traits.phone",)}, country="AT"),
        (),
    )
    notes: dict[str, int] = {}
    origin = Origin(sender, SenderClock(None, NOON), notes=notes)

    def judged(**fields: Any) -> Any:
        raw = msgspec.Raw(msgspec.json.encode({"messageId": "m", **fields}))
        return judge(raw, None, origin, "spare")

    event, _ = judged(type="identify", userId="null", traits={"phone": "01 5861234"})
    assert event.identifiers == [("phone", "+4315861234")]
    assert notes == {"placeholder_identifier": 1}
    group = judged(type="group", groupId="g", traits={"phone": "01 5861234"})
    assert (group.code, group.path) == ("no_identifier", "userId")


@pytest.mark.parametrize(
    "typed",
    [
        *("+49 000 0000000", "+49 12", "+49 110", "+1 000 000 0000", "+1 111-111-1111"),
        *("+1 555 5555555", "+1 123 456 7890", "0170 0000000", "030 000000", "0170 1234567"),
    ],
)
def test_a_phone_that_a_form_insisted_on_is_nobodys(typed: str) -> None:
    assert names({"userId": "u", "traits": {"phone": typed}}) == [("user_id", "u")]


@pytest.mark.parametrize("entry", ["030 5861234", "+49 30 5861234", "+49305861234"])
def test_a_blocked_phone_is_blocked_however_it_is_written(entry: str) -> None:
    namer = Namer(DECLARED, "DE", plain_identifiers([entry]))
    event = {"userId": "u", "traits": {"phone": "030/5861234"}}
    assert namer.names(event, is_group=False) == ([("user_id", "u")], True)
