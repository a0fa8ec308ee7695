"""What is sent by a channel that is no e-mail: to which address, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Channel = Literal[
    "sms", "push", "web_push", "wechat", "whatsapp", "webhook", "inbox", "phone", "store"
]
"""By a provider, but `inbox`, which is our own; `phone` and `store` are tasks of staff."""

INBOX: Channel = "inbox"


@dataclass(frozen=True, slots=True)
class Text:
    """A text message. Where a provider sends approved templates only, `template` is the id of one,
    and `parameters` are what it asks for, in its order.
    """

    text: str
    template: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """What an app or a browser shows; `data` is for the app, `url` is opened by a tap."""

    title: str
    body: str
    url: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    keep_seconds: int = 86_400
    """How long a device that is off may take to come back."""


@dataclass(frozen=True, slots=True)
class Templated:
    """A template that the provider keeps and has approved; `language` as it names it."""

    template: str
    language: str = "en"
    parameters: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """What is told to a program: `type` in words with dots, `data` as JSON (bytes)."""

    type: str
    data: bytes


Content = Text | Notification | Templated | Post


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one address.

    `message_id` is the same however often it is tried: its send key. `address` is a number (E.164),
    a device's token, an open id; for `web_push` the subscription as JSON; for `webhook` the id of
    the person, since the address is the account's. `token`: by it reports about the message are
    ours; empty for what nobody reports on.
    """

    message_id: str
    address: str
    content: Content
    token: str = ""
