"""E-mail addresses: which a person has, and which a server could take."""

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from rapport_campaign.domain.model import State
from rapport_common.events.consent import normal_channel
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email

_PLAIN = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)
_MAILBOX = re.compile(r"(?P<name>.*?)\s*<(?P<address>[^<>]*)>", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[][()<>@,:;".\\]')
MAX_LENGTH = 254


@dataclass(frozen=True, slots=True)
class Address:
    """An address in normal form; `verified`: a trusted source says that it is the person's."""

    value: str
    verified: bool = True


def envelope_address(address: str) -> str | None:
    """The form for the SMTP envelope (domain in ASCII), or None when it is no address."""
    if len(address) > MAX_LENGTH:
        return None
    if _PLAIN.fullmatch(address):
        return address
    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return f"{found.local_part}@{found.ascii_domain}"


def mailbox(text: str) -> tuple[str, str]:
    """(display name, address) of `Name <address>` or a bare address (RFC 5322, 3.4).

    What stands before the brackets is the name, with or without the quotes that RFC 5322 wants
    around `Shop: News`: nobody means a group or a list here.
    """
    found = _MAILBOX.fullmatch(text.strip())
    if found is None:
        return "", text.strip()
    name = found["name"].strip()
    if _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", name[1:-1], flags=re.DOTALL)
    return name, found["address"].strip()


def quoted_name(name: str) -> str:
    """A display name as it stands before an address: in quotes when it needs them."""
    if not _NEEDS_QUOTES.search(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def sender_address(text: str) -> str:
    """`Name <address>` in one form; ValueError when it is not exactly one address."""
    name, address = mailbox(text)
    found = envelope_address(normal_email(address))
    listed = "@" in name and "," in name
    if found is None or listed or any(ord(one) < ord(" ") or one == "\x7f" for one in text):
        message = f"{text!r} is not an address like `Shop <hello@example.com>`"
        raise ValueError(message)
    return f"{quoted_name(name)} <{found}>" if name else found


def addresses_of(state: State) -> list[Address]:
    """A person's usable addresses of now, newest first."""
    found: dict[str, Address] = {}
    for point in state.contact_points:
        if normal_channel(point.channel) != EMAIL_CHANNEL:
            continue
        one = Address(normal_email(point.value), point.verified)
        known = found.get(one.value)
        if (known is None and envelope_address(one.value)) or (known is not None and one.verified):
            found[one.value] = one
    return list(found.values())
