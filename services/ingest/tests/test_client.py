"""Devices, languages and addresses: what is told of them and what is kept. No server."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.envelope import Client
from rapport_ingest.domain.client import anonymised, client_of

WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1"
)
CUBOT = (
    "Mozilla/5.0 (Linux; Android 10; CUBOT_NOTE_20) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/90.0.0.0 Mobile Safari/537.36"
)


def known(user_agent: str | None, locale: str | None = None) -> Client:
    found = client_of(user_agent, locale)
    assert found is not None
    return found


def test_a_browser_is_told_from_its_user_agent() -> None:
    assert known(WINDOWS, "de-AT") == Client(
        browser="Chrome",
        browser_version="120.0.0",
        os="Windows",
        os_version="10",
        language="de",
        region="AT",
    )
    phone = known(IPHONE)
    assert (phone.browser, phone.os, phone.os_version) == ("Mobile Safari", "iOS", "17.1")
    assert phone.device == "iPhone"


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        "SomeNewBot",
        "curl/8.5.0",
        "python-requests/2.31.0",
    ],
)
def test_bots_are_flagged(user_agent: str) -> None:
    assert known(user_agent).bot
    assert known(user_agent).device is None


@pytest.mark.parametrize("user_agent", [WINDOWS, IPHONE, CUBOT])
def test_people_are_not(user_agent: str) -> None:
    assert not known(user_agent).bot


@pytest.mark.parametrize("user_agent", [None, "", "  ", "\0", "?", "x" * 100_000])
def test_nothing_is_known_of_nothing(user_agent: str | None) -> None:
    assert client_of(user_agent, None) is None


def test_only_the_head_of_a_user_agent_is_looked_at() -> None:
    assert known(WINDOWS + " " * 400 + "Googlebot/2.1") == known(WINDOWS)


@given(st.text(max_size=600), st.text(max_size=80))
def test_any_text_is_taken(user_agent: str, locale: str) -> None:
    assert client_of(user_agent, locale) == client_of(user_agent, locale)


@pytest.mark.parametrize(
    ("locale", "language", "region"),
    [
        ("de-AT", "de", "AT"),
        ("de_at", "de", "AT"),
        ("DE", "de", None),
        ("zh-Hans-CN", "zh", "CN"),
        ("zh-cmn-Hans-CN", "zh", "CN"),
        ("es-419", "es", "419"),
        ("sl-rozaj-biske", "sl", None),
        ("en-US-u-ca-gregory", "en", "US"),
        ("de_AT.UTF-8", "de", "AT"),
        ("zh_TW_#Hant", "zh", "TW"),
        ("fil-PH", "fil", "PH"),
    ],
)
def test_a_locale_is_a_language_and_a_region(
    locale: str, language: str, region: str | None
) -> None:
    assert known(None, locale) == Client(language=language, region=region)


@pytest.mark.parametrize("locale", ["", "C", "und", "deutsch", "x-private", "d", "de" + "-x" * 50])
def test_other_locales_tell_nothing(locale: str) -> None:
    assert client_of(None, locale) is None


@pytest.mark.parametrize(
    ("address", "kept", "masked"),
    [
        ("192.0.2.77", "192.0.2.77", "192.0.2.0"),
        (" 192.0.2.77 ", "192.0.2.77", "192.0.2.0"),
        ("192.0.2.77:4711", "192.0.2.77", "192.0.2.0"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0"),
        ("::FFFF:c000:024d", "192.0.2.77", "192.0.2.0"),
        ("[::ffff:192.0.2.77]:80", "192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1::"),
        ("[2001:db8:1:2:3::4]", "2001:db8:1:2:3::4", "2001:db8:1::"),
        ("[2001:db8:1:2:3::4]:443", "2001:db8:1:2:3::4", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::1", "fe80::"),
        # 6to4 has 192.0.2.77 in it.
        ("2002:c000:024d:1::1", "2002:c000:24d:1::1", "2002:c000:200::"),
    ],
)
def test_an_address_is_kept_as_the_mode_says(address: str, kept: str, masked: str) -> None:
    assert anonymised(address, "keep") == kept
    assert anonymised(address, "mask") == masked
    assert anonymised(address, "drop") is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unknown",
        "1.2.3",
        "1.2.3.4.5",
        "010.1.2.3",
        "1.2.3.4, 5.6.7.8",
        "[1.2.3.4",
        "٣.2.3.4",
        "9" * 99,
    ],
)
def test_what_is_no_address_is_not_kept(address: str) -> None:
    assert anonymised(address, "keep") is None
    assert anonymised(address, "mask") is None


@given(st.ip_addresses())
def test_a_masked_address_is_the_first_of_its_network(address: IPv4Address | IPv6Address) -> None:
    masked = anonymised(str(address), "mask")
    assert masked is not None
    assert anonymised(masked, "mask") == masked
    found = ip_address(masked)
    if isinstance(address, IPv4Address):
        assert address in ip_network(f"{found}/24")
    elif address.ipv4_mapped is None:
        assert address in ip_network(f"{found}/40", strict=False)
        assert int(found) & (2**80 - 1) == 0
