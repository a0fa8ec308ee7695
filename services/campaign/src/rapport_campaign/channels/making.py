"""Makes the adapter of an account."""

from collections.abc import Callable, Mapping
from typing import Any

from rapport_campaign.channels.aliyun import Aliyun
from rapport_campaign.channels.apns import Apns
from rapport_campaign.channels.contract import Adapter, Speaking
from rapport_campaign.channels.fcm import Fcm
from rapport_campaign.channels.http import Http
from rapport_campaign.channels.tencent import Tencent
from rapport_campaign.channels.twilio import Twilio
from rapport_campaign.channels.web_push import WebPush
from rapport_campaign.channels.webhook import Webhook
from rapport_campaign.channels.wechat import WeChat
from rapport_campaign.channels.whatsapp import WhatsApp
from rapport_campaign.domain.providers import VENDORS, fields_of

_CLASSES: Mapping[str, type[Speaking]] = {
    "twilio": Twilio,
    "aliyun": Aliyun,
    "tencent": Tencent,
    "fcm": Fcm,
    "apns": Apns,
    "web_push": WebPush,
    "wechat": WeChat,
    "whatsapp": WhatsApp,
    "webhook": Webhook,
}
ADAPTERS: Mapping[str, Callable[..., Adapter]] = _CLASSES
ASKED = frozenset(name for name, kind in _CLASSES.items() if kind.asks)
"""The vendors that can be asked what they have of a message."""


def adapter(
    http: Http, vendor: str, settings: Mapping[str, str], secrets: Mapping[str, str], **more: Any
) -> Adapter:
    """The adapter of an account with a vendor of `domain.providers`, which is new to it."""
    known = VENDORS[vendor]
    usual = {name: field.default or "" for name, field in fields_of(known).items()}
    whole = {**usual, **{name: value for name, value in settings.items() if value}}
    if known.base_url and not whole["base_url"]:
        whole["base_url"] = known.base_url
    return ADAPTERS[vendor](http, whole, secrets, **more)
