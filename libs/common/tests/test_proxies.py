"""Where a request is from, by the word of proxies that are trusted, and of nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.proxies import Proxies

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        # Who is no proxy of ours is the client, whatever it says.
        ("192.0.2.1", {"x-forwarded-for": "198.51.100.1"}, "192.0.2.1"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1, 198.51.100.1, 10.0.0.9"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1:4711"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1, unknown"}, None),
        ("10.0.0.1", {"x-forwarded-for": ",, ,"}, "10.0.0.1"),
        ("10.0.0.1", {"forwarded": 'for="[2001:db8::1]:4711";proto=https'}, "2001:db8::1"),
        ("10.0.0.1", {"forwarded": "for=1.1.1.1, by=x;For=198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.1", {"forwarded": "for=1.1.1.1, for=_hidden"}, None),
        ("10.0.0.1", {"forwarded": "proto=https"}, None),
        ("2001:db8:ffff::1", {"x-forwarded-for": "2001:db8::2"}, "2001:db8::2"),
        # Our proxy wrote one of the two, the client may have made up the other.
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1", "forwarded": "for=203.0.113.7"}, None),
        (
            "10.0.0.1",
            {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"},
            "198.51.100.1",
        ),
        (None, {"x-forwarded-for": "198.51.100.1"}, None),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(
    peer: str | None, headers: dict[str, str], client: str | None
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert PROXIES.client(peer, raw) == client


def test_lines_of_the_same_header_are_one_list() -> None:
    lines = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-for", b"198.51.100.1, 10.0.0.2")]
    assert PROXIES.client("10.0.0.1", lines) == "198.51.100.1"


@given(st.lists(st.sampled_from(["203.0.113.7", "x", "10.9.9.9", "", "::1"]), max_size=30))
def test_what_a_client_writes_left_of_its_address_changes_nothing(made_up: list[str]) -> None:
    chain = ", ".join([*made_up, "198.51.100.1", "10.0.0.2"])
    assert PROXIES.client("10.0.0.1", [(b"x-forwarded-for", chain.encode())]) == "198.51.100.1"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_header_breaks_it(one: bytes, other: bytes) -> None:
    PROXIES.client("10.0.0.1", [(b"x-forwarded-for", one), (b"forwarded", other)])


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("192.0.2.1", {}, "192.0.2.1"),
        # One forwards, and nobody has said who it is: neither it nor whom it names is sure.
        ("192.0.2.1", {"x-forwarded-for": "198.51.100.1"}, None),
        ("192.0.2.1", {"x-real-ip": "198.51.100.1"}, None),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1", "forwarded": "for=203.0.113.7"}, None),
        (None, {}, None),
    ],
)
def test_what_nobody_can_vouch_for_proves_nothing(
    peer: str | None, headers: dict[str, str], client: str | None
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert PROXIES.certain(peer, raw) == client
