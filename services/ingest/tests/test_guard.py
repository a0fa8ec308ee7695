"""Origins and networks; and what a policy may say."""

from typing import Any

import pytest

from rapport_common.errors import ForbiddenError, InvalidRequestError
from rapport_ingest.domain.guard import Guard
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
