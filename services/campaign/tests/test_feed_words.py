"""Data feeds without a server: addresses, answers, what templates may say, what is remembered."""

from typing import Any

import pytest

from rapport_campaign.domain.feed_addresses import (
    AddressError,
    filled,
    host_of,
    places,
    require_address,
)
from rapport_campaign.domain.feed_answers import MOST_DEPTH, MOST_VALUES, AnswerError, read
from rapport_campaign.domain.feeds import header_problem, named, unfit, wanted_of
from rapport_campaign.domain.speaking import mentions
from rapport_campaign.handlers.feed_asking import FeedError
from rapport_campaign.handlers.feed_memory import FINAL_SECONDS, Answer, Memory
from rapport_common.outside.addresses import networks

BASE = "https://api.shop.example"
CITY = "{{ person.traits.city }}"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://api.shop.example/x", "https"),
        (f"https://{CITY}.shop.example/x", "host"),
        (f"https://api.shop.example:{CITY}/x", "host"),
        (f"https://api.shop.example{CITY}", "host"),
        ("https://10.0.0.1/x", "private"),
        ("https://user:secret@api.shop.example/x", "password"),
        (f"{BASE}/x#{CITY}", "fragment"),
        (f"{BASE}/{{{{ profile.traits.city }}}}", "none of"),
        (f"{BASE}/{{{{ person.traits.city | upcase }}}}", "none of"),
        (f"{BASE}/{{% if x %}}", "braces"),
        (f"{BASE}/a/../b", "segment"),
        (f"{BASE}/%2e%2e/b", "segment"),
        (f"{BASE}/" + "x" * 1000, "characters"),
    ],
)
def test_an_address_says_what_is_wrong_with_it(address: str, words: str) -> None:
    with pytest.raises(AddressError, match=words):
        require_address(address, of_people=True)


def test_an_address_of_all_has_no_place_for_a_person() -> None:
    require_address(f"{BASE}/{CITY}?lang=de&to={CITY}", of_people=True)
    require_address(f"{BASE}?campaign={{{{campaign.id}}}}", of_people=False)
    require_address("http://127.0.0.1:80/x", of_people=False, own=networks("127.0.0.0/8"))
    with pytest.raises(AddressError, match="kind person"):
        require_address(f"{BASE}/{CITY}", of_people=False)
    assert places(f"{BASE}/{CITY}?x={{{{campaign.id}}}}") == ["person.traits.city", "campaign.id"]
    assert host_of(f"HTTPS://API.Shop.example./{CITY}") == "api.shop.example"
    assert host_of(f"{BASE}:444/x") == "api.shop.example:444"
    assert host_of(f"{BASE}:443/x") == "api.shop.example"


@pytest.mark.parametrize(
    ("value", "put"),
    [
        ("Köln a/b?c#d&e=%", "K%C3%B6ln%20a%2Fb%3Fc%23d%26e%3D%25"),
        ("ß", "%C3%9F"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        ("..", None),
        (".", None),
        ("../admin", None),
        ("x/..\\y", None),
        ("%2e%2e", None),
        ("..;x", None),
        ("a\r\nHost: evil", None),
        ("a\u200bb", None),
        ("\ud800", None),
        ("x" * 201, None),
        ("", None),
        ("  ", None),
        (None, None),
        ({"a": 1}, None),
        ([1], None),
    ],
)
def test_a_value_is_put_in_with_percents_or_not_at_all(value: Any, put: str | None) -> None:
    found = filled(f"{BASE}/v1/{CITY}/now", {"person": {"traits": {"city": value}}})
    assert found == (None if put is None else f"{BASE}/v1/{put}/now")


def test_what_is_not_there_has_no_address() -> None:
    assert filled(f"{BASE}/{CITY}", {"person": {"traits": None}}) is None
    assert filled(f"{BASE}/x", {}) == f"{BASE}/x"
    long = "/".join([CITY] * 11)
    assert filled(f"{BASE}/{long}", {"person": {"traits": {"city": "x" * 190}}}) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b'{"a": NaN}', "no JSON"),
        (b'{"a": 1e999}', "no JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'[{"x": {"a": 1, "a": 1}}]', "twice"),
        (b"7", "neither"),
        (b"null", "neither"),
        (b"[" * 100_000, "deeper"),
        (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), "deeper"),
        (b"[" + b"1," * MOST_VALUES + b"1]", "values"),
        (b'{"a": ["b\\u0000"]}', "kept"),
        (b'{"a\\u0000": 1}', "kept"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_an_answer_that_is_none_says_why(body: bytes, words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        read(body, {})


def test_what_is_packed_is_not_unpacked() -> None:
    with pytest.raises(AnswerError, match="packed"):
        read(b"{}", {"content-encoding": "gzip"})
    assert read(b'{"a": [1, {"b": null}]}', {"content-encoding": "identity"}) == {
        "a": [1, {"b": None}]
    }
    assert read(b"[]", {}) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ feed.weather.sky }}", []),
        ("{% for one in feed.news %}{{ one }}{% endfor %}", []),
        ("{{ feed.weather.sky.size }}{{ feed.weather.size }}", []),
        ("{% assign feed = profile.traits.x %}{{ feed.other }}", []),
        ("no {{ profile.email }} at feed.other", []),
        ("x\n {{ feed.wether.sky }}", [("feed.wether.sky", 2, 5)]),
        ("{{ feed.weather.wind }}", [("feed.weather.wind", 1, 4)]),
        ("{{ feed }}", [("feed", 1, 4)]),
        ("{{ feed[profile.email].sky }}", [("feed", 1, 4)]),
    ],
)
def test_what_a_template_says_of_feeds(text: str, told: list[tuple[str, int, int]]) -> None:
    known = {"weather": ["sky"], "news": None}
    spoken = [unfit(one, known) for one in mentions(text, "feed")]
    found = [one.told("html", text) for one in spoken if one is not None]
    assert [(one["variable"], one["line"], one["column"]) for one in found] == told
    assert all(one["message"].startswith("html, line ") for one in found)


def test_without_feeds_none_is_there() -> None:
    [mention] = mentions("{{ feed.x }}", "feed")
    one = unfit(mention, {})
    assert one is not None
    assert one.message.endswith("there are: none")


def test_only_what_is_spoken_of_travels() -> None:
    data = {"sky": "fine", "wind": 3, "size": 1}
    assert named([("weather", "sky"), (), ("*",), ("news",)]) == {"weather", "news"}
    assert wanted_of(data, "weather", [("weather", "sky", "x"), ("news",)]) == {"sky": "fine"}
    for paths in ([("weather",)], [("weather", "*")], [("weather", "size")]):
        assert wanted_of(data, "weather", paths) == data
    assert wanted_of([1], "weather", [("weather", "sky")]) == [1]


@pytest.mark.parametrize(
    ("name", "value", "is_fine"),
    [
        ("Authorization", "Bearer x", True),
        ("Host", "x", False),
        ("content-length", "x", False),
        ("a b", "x", False),
        ("x-a", "a\r\nb", False),
        ("x-a", "ß", False),
        ("x-a", "x" * 4001, False),
    ],
)
def test_headers_are_one_line_and_not_ours(name: str, value: str, *, is_fine: bool) -> None:
    assert (header_problem(name, value) is None) is is_fine


def place(number: int) -> tuple[str, str, int, str]:
    return ("acme", "weather", 1, str(number))


def test_memory_is_bounded_and_the_oldest_goes() -> None:
    memory = Memory(most_bytes=100)
    for number in range(3):
        memory.put(place(number), Answer(number, 40, 0, 10))
        assert memory.answer(place(0), ("acme", "ada"), 5) is not None or number == 2
    assert memory.answer(place(1), ("acme", "ada"), 5) is None
    assert memory.answer(place(2), ("acme", "ada"), 10) is None
    assert memory.last_good(place(2), 100, 100) is not None
    assert memory.last_good(place(2), 101, 100) is None


def test_answers_of_who_is_gone_go() -> None:
    memory = Memory()
    memory.put(place(1), Answer(1, 1, 0, 10, {("acme", "ada")}))
    memory.put(place(2), Answer(2, 1, 0, 10, {("acme", "bob")}))
    assert memory.answer(place(2), ("acme", "eve"), 1) is not None
    assert memory.owners() == {("acme", "ada"), ("acme", "bob"), ("acme", "eve")}
    memory.forget({("acme", "eve")}, 1)
    assert memory.owners() == {("acme", "ada")}
    memory.forget(set(), 10_000)
    assert memory.owners() == set()


def test_failures_are_asked_again_later_and_end_with_an_answer() -> None:
    memory = Memory()
    rests = []
    for _ in range(9):
        memory.fail(place(1), FeedError("500", passing=True), 100, 0.5)
        found = memory.failing(place(1), 100)
        assert found is not None
        rests.append(found.again - 100)
    assert found is not None
    assert (rests[:3], rests[-1], found.since) == ([1, 2, 4], 60, 100)
    memory.fail(place(1), FeedError("429", passing=True, wait=90), 200, 0.5)
    found = memory.failing(place(1), 100)
    assert found is not None
    assert (found.again, found.since) == (290, 100)
    memory.fail(place(2), FeedError("404", passing=False), 100, 0.5)
    found = memory.failing(place(2), 200)
    assert found is not None
    assert (found.again, found.final) == (100 + FINAL_SECONDS, True)
    memory.put(place(1), Answer(1, 1, 0, 1))
    assert memory.failing(place(1), 200) is None
