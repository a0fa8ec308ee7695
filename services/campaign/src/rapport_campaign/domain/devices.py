"""What a push message is addressed to, told by its form: one word, `push`, is said of all of them.

Apple's device tokens are hexadecimal digits
(https://developer.apple.com/documentation/usernotifications/registering-your-app-with-apns); a
browser's is a subscription as JSON (https://www.w3.org/TR/push-api/#dom-pushsubscription-tojson);
Firebase's registration tokens are neither.
"""

import re
from typing import Literal

import msgspec

from rapport_campaign.domain.parcels import Channel

Device = Literal["apple", "browser", "firebase"]

APPLE_TOKEN = re.compile(r"[0-9a-fA-F]{64,200}")
_OF_A_BROWSER = re.compile(r"\{|https?://", re.IGNORECASE)
_TAKERS: dict[Device, str] = {"apple": "apns", "browser": "web_push", "firebase": "fcm"}


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct):
    endpoint: str
    keys: _Keys


def device_of(address: str) -> Device:
    """Whose an address of push messages is; of a form that nobody knows Firebase is asked."""
    if APPLE_TOKEN.fullmatch(address) is not None:
        return "apple"
    return "browser" if _OF_A_BROWSER.match(address) is not None else "firebase"


def is_subscription(address: str) -> bool:
    """Whether an address has all that a message to a browser needs; its keys may be no good."""
    try:
        msgspec.json.decode(address, type=_Subscription)
    except (msgspec.MsgspecError, UnicodeError):
        return False
    return True


def suits(channel: str, address: str) -> bool:
    """Whether a contact point that is called `push` is one of this channel."""
    if channel == "web_push":
        return is_subscription(address)
    return channel != "push" or device_of(address) != "browser"


def taker_of(channel: Channel, address: str) -> str | None:
    """The one vendor that takes an address; None if all vendors of the channel do."""
    return _TAKERS[device_of(address)] if channel == "push" else None
