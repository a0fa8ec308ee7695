"""What a request tells of the device behind it: browser, system, bot, language, address."""

from typing import Literal

from rapport_common.events.envelope import Client


def anonymised(address: str, mode: Literal["keep", "mask", "drop"]) -> str | None:
    """The address as it may be kept: whole, its network (IPv4 /24, IPv6 /48), or not at all.

    None for what is no address.
    """
    return None


def client_of(user_agent: str | None, locale: str | None) -> Client | None:
    """What is known of the device, without its address; None when nothing is."""
    return None
