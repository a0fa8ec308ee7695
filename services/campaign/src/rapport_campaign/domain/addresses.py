"""E-mail addresses: which a person has, and which a server could take."""

import re
from email.utils import formataddr, getaddresses

import msgspec
from email_validator import EmailNotValidError, validate_email

from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import EMAIL
from rapport_common.events.profile import ProfileState

_PLAIN = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)
MAX_LENGTH = 254


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


def sender_address(text: str) -> str:
    """`Name <address>` in one form; ValueError when it is not exactly one address."""
    listed = getaddresses([text])
    name, address = listed[0] if len(listed) == 1 else ("", "")
    found = envelope_address(address)
    if found is None or any(ord(character) < ord(" ") for character in text):
        message = f"{text!r} is not an address like `Shop <hello@example.com>`"
        raise ValueError(message)
    return formataddr((name, found))


def addresses_of(state: ProfileState) -> list[str]:
    """A person's usable addresses in normal form, the one in their traits first."""
    found = [normal_email(one) for one in [_trait(state), *state.values(EMAIL)] if one]
    return [one for one in dict.fromkeys(found) if envelope_address(one)]


def _trait(state: ProfileState) -> str | None:
    traits = msgspec.json.decode(state.traits, type=dict[str, msgspec.Raw])
    if EMAIL not in traits:
        return None
    value = msgspec.json.decode(traits[EMAIL])
    return value if isinstance(value, str) else None
