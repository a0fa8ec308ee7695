"""What a request tells of the device behind it: browser, system, bot, language, address."""

import re
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from ua_parser import OS, Domain, Parser, UserAgent
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from rapport_common.events.envelope import Client

MAX_KNOWN = 8192
"""Devices and addresses remembered. A remembered device takes about 1 KB."""

MAX_USER_AGENT = 512
"""Characters of a user agent that are looked at: longer ones are made, not real."""

MAX_LOCALE = 64
MAX_ADDRESS = 80

_BOT = re.compile(
    r"(?<!cu)bots?(?![a-z])|crawl|spider|scrap|headless|slurp|archiver|lighthouse|phantomjs"
    r"|selenium|puppeteer|playwright|webdriver|facebookexternalhit|bingpreview|pingdom"
    r"|^(?:curl|wget|python-requests|python-urllib|go-http-client|libwww-perl)/",
    re.IGNORECASE,
)
"""What crawlers and scripted browsers call themselves.

The idea, and the words bot, crawler and spider, are those of RudderStack's gateway, which flags by
substring; `isbot` (npm) adds the automation tools. "Cubot" is a maker of telephones (uap-core).
"""

_LOCALE = re.compile(
    r"([a-z]{2,3})(?:[-_][a-z]{3}){0,3}(?:[-_][a-z]{4})?(?:[-_]([a-z]{2}|[0-9]{3}))?(?:[-_.@#,;].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
"""Language, extended language, script and region of RFC 5646, 2.1; variants and extensions, and
what POSIX and Java append, are skipped."""

_IPV4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}", re.ASCII)
_IPV6_IN_BRACKETS = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?", re.ASCII)


def anonymised(address: str, mode: Literal["keep", "mask", "drop"]) -> str | None:
    """The address as it may be kept: whole, its network (IPv4 /24, IPv6 /48), or not at all.

    Ports, brackets and zone ids are cut off, and IPv4 written as IPv6 becomes IPv4. None for what
    is no address. The widths are those of Google Analytics' IP masking: the last 8 of 32 and the
    last 80 of 128 bits go.
    """
    return None if mode == "drop" or len(address) > MAX_ADDRESS else _anonymised(address, mode)


@lru_cache(MAX_KNOWN)
def _anonymised(address: str, mode: Literal["keep", "mask"]) -> str | None:
    text = address.strip()
    if match := _IPV6_IN_BRACKETS.fullmatch(text) or _IPV4_WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if mode == "keep":
        return str(found)
    return str(ip_network((found, _network_bits(found)), strict=False)[0])


def _network_bits(address: IPv4Address | IPv6Address) -> int:
    if isinstance(address, IPv4Address):
        return 24
    # 6to4 (RFC 3056) has a whole IPv4 address in bits 16 to 48: a /24 of that is a /40.
    return 48 if address.sixtofour is None else 40


def client_of(user_agent: str | None, locale: str | None) -> Client | None:
    """What is known of the device, without its address; None when nothing is.

    A device seen before costs a look into a table. The first one builds the matcher: about half a
    second and 30 MB, see `prepare`.
    """
    if user_agent is not None and len(user_agent) > MAX_USER_AGENT:
        user_agent = user_agent[:MAX_USER_AGENT]
    if locale is not None and len(locale) > MAX_LOCALE:
        locale = None
    return _client_of(user_agent, locale)


def prepare() -> None:
    """Build the matcher now, so that no event has to wait for it."""
    _parser()


@cache
def _parser() -> Parser:
    # By name: the package would silently take a backend 20 times slower if this one were missing.
    return Parser(Resolver(load_lazy_builtins()))


@lru_cache(MAX_KNOWN)
def _client_of(user_agent: str | None, locale: str | None) -> Client | None:
    language, region = _language_and_region(locale or "")
    if not user_agent or user_agent.isspace():
        return Client(language=language, region=region) if language else None
    found = _parser()(user_agent, Domain.ALL)
    browser, system, device = found.user_agent, found.os, found.device
    spider = device is not None and device.family == "Spider"
    known = Client(
        browser=browser.family if browser else None,
        browser_version=_version(browser),
        os=system.family if system else None,
        os_version=_version(system),
        device=device.family if device and not spider else None,
        bot=spider or _BOT.search(user_agent) is not None,
        language=language,
        region=region,
    )
    return None if known == Client() else known


def _version(of: UserAgent | OS | None) -> str | None:
    return ".".join(filter(None, (of.major, of.minor, of.patch))) or None if of else None


def _language_and_region(locale: str) -> tuple[str | None, str | None]:
    """("de", "AT") of `de-AT`, `de_AT.UTF-8` or `de-Latn-AT-u-ca-gregory`; (None, None) of none."""
    match = _LOCALE.fullmatch(locale.strip())
    if match is None or match[1].lower() == "und":
        return None, None
    return match[1].lower(), match[2].upper() if match[2] else None
