"""`rapport source` and `rapport debug` as users type them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rapport_cli.debugger import messages

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

SOURCE = {
    "id": "web-shop",
    "kind": "server",
    "name": "Web [Shop]",
    "revision": 2,
    "policy": {"events_per_second": 5, "allowed_origins": ["https://shop.example"]},
    "events": {"received": 3, "accepted": 2, "spooled": 0, "rejected": 1},
    "warnings": [
        {
            "code": "key_in_browser",
            "events": 7,
            "first_at": "2026-01-01T00:00:00Z",
            "last_at": "2026-01-02T00:00:00Z",
            "message": "Browsers send with this key.",
        }
    ],
}
KEYS = [
    {"id": "0a", "created_at": "2026-01-01T00:00:00Z", "revoked_at": None},
    {"id": "0b", "created_at": "2026-01-02T00:00:00Z", "revoked_at": None},
]
LIVE = b"""retry: 2000
: connected

event: ready
data: {"processes":2}

: still here

event: event
data: {"received_at":"2026-01-01T12:00:00Z","status":"accepted","message_id":"m-1","type":"track",\
"name":"Paid [x]","user_id":"u-1","body":"{}","truncated":false}

event: dropped
data: {"events":7}

event: event
data: {"received_at":"2026-01-01T12:00:01Z","status":"rejected","message_id":"m-2",\
"code":"invalid","path":"event","message":"is missing","body":"{\\"a\\"","truncated":true}

event: end
data: {}

"""


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["events_per_second=100"], {"events_per_second": 100}),
        (["ip=drop", "test_mode=true"], {"ip": "drop", "test_mode": True}),
        (["events_per_day=null"], {"events_per_day": None}),
        (
            ["provenance.party=third", "provenance.provider=A=B"],
            {"provenance": {"party": "third", "provider": "A=B"}},
        ),
        (['allowed_ips=["10.0.0.0/8"]'], {"allowed_ips": ["10.0.0.0/8"]}),
        (["--policy", '{"plan": {"unplanned": "warn"}}'], {"plan": {"unplanned": "warn"}}),
    ],
)
def test_rules_are_set_one_by_one(
    rapport: Rapport, server: Answers, given: list[str], sent: dict[str, Any]
) -> None:
    server.answers["PATCH /v1/sources/web-shop"] = 200, SOURCE
    done = rapport("source", "set", "web-shop", *given)
    assert done.returncode == 0, done.stderr
    assert server.calls == [("PATCH", "/v1/sources/web-shop", {"policy": sent})]
    assert "https://shop.example" in done.stdout


@pytest.mark.parametrize("given", [[], ["rate"], ["=1"], ["a..b=1"], ["a=1", "a.b=2"]])
def test_what_is_no_setting_is_said(rapport: Rapport, server: Answers, given: list[str]) -> None:
    done = rapport("source", "set", "web-shop", *given)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert server.calls == []


def test_a_key_is_rotated_and_revoked(rapport: Rapport, server: Answers) -> None:
    made = {"source": "web-shop", "id": "0b", "write_key": "rk_0b_x"}
    server.answers["POST /v1/sources/web-shop/keys"] = 201, made
    server.answers["GET /v1/sources/web-shop/keys"] = 200, {"items": KEYS, "next": None}
    done = rapport("source", "rotate", "web-shop")
    assert "rk_0b_x" in done.stdout
    assert "rapport source revoke web-shop 0a" in done.stdout
    assert json.loads(rapport("source", "rotate", "web-shop", "--json").stdout) == made
    server.answers["DELETE /v1/sources/web-shop/keys/0a"] = 204, {}
    assert "0a is revoked" in rapport("source", "revoke", "web-shop", "0a").stdout
    assert "0b" in rapport("source", "keys", "web-shop").stdout


def test_a_kind_and_a_currency_are_given(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/sources"] = 201, {"id": "shop", "write_key": "rk_0b_x"}
    rapport("source", "create", "shop", "--kind", "web", "--currency", "EUR")
    given = {"name": "shop", "policy": {"currency": "EUR"}, "kind": "web"}
    assert server.calls[-1][2] == given
    server.answers["PATCH /v1/sources/shop"] = 200, SOURCE
    rapport("source", "set", "shop", "--kind", "pos", "--currency", "USD")
    given = {"policy": {"currency": "USD"}, "kind": "pos"}
    assert server.calls[-1][2] == given


def test_a_key_is_printed_alone_and_the_source_made_once(rapport: Rapport, server: Answers) -> None:
    """What `WRITE_KEY=$(rapport source key …)` needs: it works the first time and the second."""
    made = {"id": "shop", "write_key": "rk_0a_x"}
    server.answers["GET /v1/sources"] = 200, {"items": [], "next": None}
    missing = rapport("source", "key", "Shop")
    assert (missing.returncode, "--kind" in missing.stderr, missing.stdout) == (1, True, "")
    server.answers["POST /v1/sources"] = 201, made
    asked = ("source", "key", "Shop", "--kind", "server", "--currency", "EUR")
    assert rapport(*asked).stdout == "rk_0a_x\n"
    given = {"name": "Shop", "policy": {"currency": "EUR"}, "kind": "server"}
    assert server.calls[-1][2] == given
    known = {"id": "shop", "name": "Shop", "kind": "server", "policy": {"currency": "EUR"}}
    server.answers["GET /v1/sources"] = 200, {"items": [known], "next": None}
    server.answers["POST /v1/sources/shop/keys"] = 201, {"id": "0b", "write_key": "rk_0b_x"}
    assert rapport(*asked).stdout == rapport("source", "key", "shop").stdout == "rk_0b_x\n"
    server.answers["GET /v1/sources/shop/keys"] = 200, {"items": KEYS, "next": None}
    server.answers["DELETE /v1/sources/shop/keys/0a"] = 204, {}
    assert rapport("source", "key", "shop", "--replace").stdout == "rk_0b_x\n"
    assert server.calls[-2][:2] == ("DELETE", "/v1/sources/shop/keys/0a")
    other = rapport("source", "key", "shop", "--kind", "web")
    assert "has kind server, not web" in other.stderr
    assert server.calls[-1][:2] == ("GET", "/v1/sources?limit=1000")


def test_placeholders_of_a_workspace_are_added_and_taken_away(
    rapport: Rapport, server: Answers
) -> None:
    policy = {"blocked_identifiers": ["till-7"]}
    server.answers["GET /v1/policy"] = server.answers["PATCH /v1/policy"] = 200, policy
    assert "till-7" in rapport("source", "blocked").stdout
    rapport("source", "block", "desk@example.com", "till-7")
    assert server.calls[-1][2] == {"blocked_identifiers": ["till-7", "desk@example.com"]}
    rapport("source", "unblock", "till-7")
    assert server.calls[-1][2] == {"blocked_identifiers": []}


def test_counts_and_rules_are_shown(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/sources/web-shop"] = 200, SOURCE
    shown = rapport("source", "show", "web-shop").stdout
    assert "Web [Shop]" in shown
    assert "key_in_browser, 7 events until" in shown
    day = {"day": "2026-01-01", "received": 3, "accepted": 2, "rejected": 1}
    counts = {"source": "web-shop", **SOURCE["events"], "days": [day]}  # type: ignore[dict-item] # a dict of numbers
    server.answers["GET /v1/sources/web-shop/counts"] = 200, counts
    shown = rapport("source", "counts", "web-shop", "--days", "7").stdout
    assert "2026-01-01" in shown
    assert server.calls[-1][1].endswith("?days=7")


def test_events_are_shown_as_they_come(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/sources/web-shop/live"] = 200, LIVE
    done = rapport("debug", "web-shop")
    assert done.returncode == 0, done.stderr
    first, second, reason, body = done.stdout.splitlines()
    assert first == "12:00:00 accepted track Paid [x]  user u-1  id m-1"
    assert second == "12:00:01 rejected –  user –  id m-2"
    assert reason.strip() == "invalid: event: is missing"
    assert body.strip() == '{"a"…'
    assert "7 more events" in done.stderr
    as_json = rapport("debug", "web-shop", "--json", "--limit", "1").stdout.splitlines()
    assert [json.loads(line)["message_id"] for line in as_json] == ["m-1"]


def test_a_refused_or_broken_stream_is_said(rapport: Rapport, server: Answers) -> None:
    assert "404" in rapport("debug", "nothing").stderr
    server.answers["GET /v1/sources/web-shop/live"] = 200, LIVE.partition(b"event: end")[0]
    done = rapport("debug", "web-shop")
    assert (done.returncode, "ended" in done.stderr) == (1, True)


def test_comments_and_empty_events_are_left_out() -> None:
    lines = iter([": x", "", "event: a", "", "event: b", "data: 1", ""])
    assert list(messages(lines)) == [("b", 1)]
