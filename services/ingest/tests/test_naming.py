"""Which fields of an event say who it is about, as a source declares it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.envelope import Identifier
from rapport_common.events.kinds import KINDS, normal_value, rank, strongest_first
from rapport_ingest.domain.naming import (
    DEFAULT,
    MAX_FIELDS,
    MAX_KINDS,
    Namer,
    check_fields,
    usual_names,
)
from rapport_ingest.domain.reading import Refused

NOBODY: frozenset[str] = frozenset()
DECLARED = {
    "phone": ("traits.phone", "context.traits.phone"),
    "loyalty_card": ("properties.card.number",),
    "till_account": ("properties.account",),
    "email": (),
}
NAMER = Namer(DECLARED, "DE")


def names(fields: dict[str, Any], namer: Namer = NAMER, **more: Any) -> list[Identifier]:
    found, _ = namer.names(fields, more.get("blocked", NOBODY), is_group=more.get("group", False))
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
        "traits": {"phone": "0170 1234567", "email": "ada@example.com"},
    }
    assert names(event) == [
        ("user_id", "42"),
        ("phone", "+491701234567"),
        ("loyalty_card", "9000-17"),
        ("till_account", "7"),
        ("anonymous_id", "v-1"),
    ]


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("0170 1234567", "DE", "+491701234567"),
        ("+43 1 5861234", "DE", "+4315861234"),
        ("0043 1 5861234", "DE", "+4315861234"),
        ("0170 1234567", None, None),
        ("138 0013 8000", "CN", "+8613800138000"),
        (13800138000, "CN", "+8613800138000"),
        ("１３８００１３８０００", "CN", "+8613800138000"),
        ("12", "DE", None),
        ("call me", "DE", None),
        (True, "DE", None),
        (["0170 1234567"], "DE", None),
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
    event = {"traits": {"phone": "none"}, "context": {"traits": {"phone": "0170 1234567"}}}
    assert names(event) == [("phone", "+491701234567")]
    assert names({"traits": {"phone": "030 123456"}, **event}) == [("phone", "+491701234567")]
    assert names({**event, "traits": {"phone": "030 123456"}}) == [("phone", "+4930123456")]


def test_a_groups_traits_are_not_the_persons() -> None:
    event = {"userId": "u", "traits": {"phone": "030 123456"}}
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
    blocked = frozenset({"till-7"})
    event = {"userId": "u", "properties": {"account": nobody}}
    found, shared = NAMER.names(event, blocked, is_group=False)
    assert (found, shared) == ([("user_id", "u")], True)
    assert refusal({"properties": {"account": nobody}}, blocked=blocked) == (
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
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
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


@given(EVENTS)
def test_the_default_written_out_is_the_default(event: dict[str, Any]) -> None:
    """The quick way and the general one say the same of every event."""

    def said(find: Any) -> Any:
        try:
            return find()
        except Refused as refused:
            return refused.code if refused.code != "too_long" else "invalid_type"

    usual = said(
        lambda: usual_names(event, event.get("traits", {}), event.get("context", {}), NOBODY)
    )
    general = said(lambda: Namer(DEFAULT, None).names(event, NOBODY, is_group=False))
    if isinstance(usual, str) or isinstance(general, str):
        assert usual == general
    else:
        assert usual[0] == general[0]


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "own", "zeta"]), st.text(max_size=2))))
def test_the_strongest_first_whatever_the_order(told: list[Identifier]) -> None:
    found = strongest_first(told)
    assert sorted(found) == sorted(set(told))
    assert [rank(kind) for kind, _ in found] == sorted(rank(kind) for kind, _ in found)
    assert strongest_first(found) == found


@given(st.sampled_from([*KINDS, "own"]), st.text(max_size=20), st.sampled_from([None, "DE"]))
def test_a_normal_value_is_its_own_normal_value(kind: str, text: str, country: str | None) -> None:
    found = normal_value(kind, text, country)
    assert found is None or normal_value(kind, found, None) == found


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({f"k{number}": ("userId",) for number in range(MAX_KINDS + 1)}, "kinds"),
        ({"Phone": ("traits.phone",)}, "no name of a kind"),
        ({"k" * 65: ("traits.phone",)}, "no name of a kind"),
        ({"phone": ("traits.phone",) * (MAX_FIELDS + 1)}, "fields"),
        *(
            ({"phone": (path,)}, "no field for it")
            for path in (
                *("phone", "traits", "traits.", ".phone", "userId.x", "messageId", ""),
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
