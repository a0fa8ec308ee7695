"""Origins, networks, proxies; and what a policy may say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import ForbiddenError, InvalidRequestError
from rapport_ingest.domain.guard import Guard, Proxies
from rapport_ingest.domain.policy import merge_patch, patched, read_policy
from rapport_ingest.domain.source import SourcePolicy

ORIGINS = ("https://shop.example", "http://localhost:3000", "https://*.shop.example", "app://x:80")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"https://shop.example",
        b"HTTPS://Shop.Example",
        b"http://localhost:3000",
        b"https://de.shop.example",
        b"https://a.b.shop.example",
        b"app://x:80",
    ],
)
def test_allowed_origins_pass(origin: bytes | None) -> None:
    Guard(SourcePolicy(allowed_origins=ORIGINS)).check(origin, None)


@pytest.mark.parametrize(
    "origin",
    [
        b"",
        b"null",
        b"https://evil.example",
        b"http://shop.example",
        b"https://shop.example:8443",
        b"https://shop.example.evil.example",
        b"https://evilshop.example",
        b"https://.shop.example",
        b"http://localhost",
        b"\xff\xfe",
        b"https://" + b"a" * 10_000,
    ],
)
def test_other_origins_are_refused(origin: bytes) -> None:
    with pytest.raises(ForbiddenError) as refused:
        Guard(SourcePolicy(allowed_origins=ORIGINS)).check(origin, "192.0.2.1")
    assert refused.value.code == "origin_not_allowed"


def test_a_default_port_is_as_good_as_none() -> None:
    guard = Guard(SourcePolicy(allowed_origins=("https://a.example:443", "http://*.b.example:80")))
    guard.check(b"https://a.example", None)
    guard.check(b"http://x.b.example", None)


@pytest.mark.parametrize(
    ("address", "passes"),
    [
        ("203.0.113.7", True),
        ("::ffff:203.0.113.7", True),
        ("2001:db8:1::9", True),
        ("fe80::1%eth0", False),
        ("203.0.114.7", False),
        ("2001:db9::1", False),
        ("198.51.100.1", True),
        ("", False),
        ("testclient", False),
        (None, False),
    ],
)
def test_only_addresses_of_the_networks_pass(address: str | None, passes: bool) -> None:  # noqa: FBT001 - a table
    guard = Guard(SourcePolicy(allowed_ips=("203.0.113.0/24", "2001:db8::/32", "198.51.100.1")))
    if passes:
        guard.check(b"https://any.example", address)
        return
    with pytest.raises(ForbiddenError) as refused:
        guard.check(None, address)
    assert refused.value.code == "address_not_allowed"


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
    ("document", "patch", "result"),
    # The cases of RFC 7396, appendix A, whose target and patch are objects; and some that aren't.
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_do_what_the_standard_says(document: Any, patch: Any, result: Any) -> None:
    assert merge_patch(document, patch) == result


DEEP: dict[str, Any] = {}
for _ in range(5000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"events_per_second": 0}, "policy.events_per_second"),
        ({"events_per_day": -1}, "policy.events_per_day"),
        ({"events_per_second": "7"}, "policy.events_per_second"),
        ({"events_per_second": 1.5}, "policy.events_per_second"),
        ({"events_per_day": 2**70}, "policy.events_per_day"),
        ({"allowed_origins": ["https://ok.example", "shop.example"]}, "policy.allowed_origins[1]"),
        ({"allowed_origins": ["https://shop.example/path"]}, "policy.allowed_origins[0]"),
        ({"allowed_origins": ["https://*"]}, "policy.allowed_origins[0]"),
        ({"allowed_origins": ["*"]}, "policy.allowed_origins[0]"),
        ({"allowed_origins": "https://a.example"}, "policy.allowed_origins"),
        ({"allowed_origins": ["https://a.example"] * 201}, "policy.allowed_origins"),
        ({"allowed_ips": ["203.0.113.7/24"]}, "policy.allowed_ips[0]"),
        ({"allowed_ips": ["all"]}, "policy.allowed_ips[0]"),
        ({"ip": "hash"}, "policy.ip"),
        ({"test_mode": 1}, "policy.test_mode"),
        ({"rate": 5}, "policy.rate"),
        ({"plan": {"violation": "warn"}}, "policy.plan.violation"),
        ({"plan": {"unplanned": "block"}}, "policy.plan.unplanned"),
        ({"provenance": {"party": "second"}}, "policy.provenance.provider"),
        ({"provenance": {"party": "third", "provider": "  "}}, "policy.provenance.provider"),
        ({"provenance": {"party": "third", "provider": "x"}}, "policy.provenance.legal_basis"),
        ({"transforms": [{"op": "explode", "path": "a"}]}, "policy.transforms[0].op"),
        ({"transforms": [{"op": "drop"}]}, "policy.transforms[0]"),
        ({"webhook": {"type": "order"}}, "policy.webhook.type"),
        ({"provenance": {"provider": "a\0b"}}, "policy"),
        ({"provenance": {"provider": "\ud800"}}, "policy"),
        ({"events_per_second": float("inf")}, "policy"),
        ({"provenance": {"provider": "x" * 70_000}}, "policy"),
        (DEEP, "policy"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_policy(patched({}, document))
    assert refused.value.details["path"] == field
    assert refused.value.message.startswith(f"{field}: ")


def test_a_whole_policy_is_read() -> None:
    document = {
        "allowed_origins": ["https://shop.example"],
        "allowed_ips": ["203.0.113.0/24"],
        "events_per_second": 1,
        "provenance": {"party": "third", "provider": "Broker", "legal_basis": "consent"},
        "webhook": {"type": "track", "event": "\\u0000 is text", "fields": {"userId": "id"}},
    }
    policy = read_policy(document)
    assert (policy.events_per_second, policy.events_per_day) == (1, None)
    assert policy.provenance.provider == "Broker"
