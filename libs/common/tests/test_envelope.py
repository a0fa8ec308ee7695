"""An event: whom it names, best first, and the key under which it travels."""

import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.envelope import EMPTY_OBJECT, Event, Identifier, partition_key
from rapport_common.events.envelope_v1 import named

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(user_id: str | None, email: str | None, anonymous_id: str | None) -> Event:
    return Event(
        workspace="w",
        source="shop",
        message_id="m",
        type="track",
        timestamp=AT,
        received_at=AT,
        identifiers=named(user_id, email, anonymous_id),
    )


USER, EMAIL, ANONYMOUS = ("user_id", "U"), ("email", "e@example.com"), ("anonymous_id", "x")


@pytest.mark.parametrize("none", [None, ""])
@pytest.mark.parametrize(
    "found",
    [
        *([USER, EMAIL, ANONYMOUS], [USER, EMAIL], [USER, ANONYMOUS], [EMAIL, ANONYMOUS]),
        *([USER], [EMAIL], [ANONYMOUS]),
    ],
)
def test_the_best_name_comes_first_and_empty_ones_are_none(
    found: list[Identifier], none: str | None
) -> None:
    told = dict(found)
    one = event(*(told.get(kind, none) for kind in ("user_id", "email", "anonymous_id")))
    assert one.identifiers == found
    assert one.strongest() == found[0]
    assert [one.value(kind) for kind, _ in found] == [value for _, value in found]
    assert one.value("phone") is None


def test_who_names_nobody_still_has_a_place_in_the_log() -> None:
    """Such an event is refused by who reads it; until then it needs a key."""
    nobody = event(None, "", None)
    assert nobody.identifiers == []
    assert nobody.strongest() == ("anonymous_id", "")
    assert nobody.properties == nobody.traits == nobody.context == EMPTY_OBJECT


@given(
    st.binary(max_size=100),
    st.text(max_size=10),
    st.sampled_from(["user_id", "email"]),
    st.text(max_size=10),
)
def test_a_key_is_the_hmac_of_the_identifier(
    key: bytes, workspace: str, kind: str, value: str
) -> None:
    """RFC 2104: a key longer than a block of the hash is hashed first."""
    told = f"{workspace}\0{kind}\0{value}".encode()
    wanted = hmac.digest(key, told, "sha256")[:16]
    assert partition_key(key, workspace, (kind, value)) == wanted
