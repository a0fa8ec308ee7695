"""The providers that messages can go by: what an account with each needs, and what it is told of.

What is in `fields` is shown again; what is in `secrets` never.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rapport_campaign.domain.parcels import Channel

MAX_FIELD = 2000
MAX_SECRET = 8000
_WORD = r"[!-~]{1,200}"
_ANY = r"[^\x00-\x1f\x7f]{1,200}"
_URL = r"https?://[!-~]{1,1900}"
_PEM = r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\x20-\x7e]+-----END [A-Z ]*PRIVATE KEY-----\s*"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an account: `pattern` fits all of it; `default` None: it has to be given."""

    help: str
    pattern: str = _WORD
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider. `base_url`: where its API is; an account may name another (a region, a test)."""

    name: str
    channel: Channel
    base_url: str
    fields: Mapping[str, Field]
    secrets: Mapping[str, Field]
    document: str


_BASE = Field("Where its API is, if not at the usual address.", _URL, "")


def _all(*vendors: Vendor) -> Mapping[str, Vendor]:
    return {one.name: one for one in vendors}


VENDORS: Mapping[str, Vendor] = _all(
    Vendor(
        "twilio",
        "sms",
        "https://api.twilio.com",
        {
            "account_sid": Field("The account: AC…", r"AC[0-9a-f]{32}"),
            "from": Field("A number (E.164), a sender's name, or a messaging service: MG…", _ANY),
            "key_sid": Field("The API key (SK…), if the secret is of one.", r"SK[0-9a-f]{32}", ""),
            "status_callback": Field("Where it tells of deliveries.", _URL, ""),
        },
        {"auth_token": Field("The account's token, or the secret of the API key.")},
        "https://www.twilio.com/docs/messaging/api/message-resource",
    ),
    Vendor(
        "aliyun",
        "sms",
        "https://dysmsapi.aliyuncs.com",
        {
            "access_key_id": Field("The AccessKey."),
            "sign_name": Field("The approved signature (签名).", _ANY),
        },
        {"access_key_secret": Field("Its secret.")},
        "https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms",
    ),
    Vendor(
        "tencent",
        "sms",
        "https://sms.tencentcloudapi.com",
        {
            "secret_id": Field("The SecretId."),
            "sdk_app_id": Field("The SDK AppID of the SMS application.", r"[0-9]{1,20}"),
            "sign_name": Field("The approved signature (签名).", _ANY, ""),
            "region": Field("The region.", r"[a-z0-9-]{1,40}", "ap-guangzhou"),
        },
        {"secret_key": Field("Its SecretKey.")},
        "https://cloud.tencent.com/document/product/382/55981",
    ),
    Vendor(
        "fcm",
        "push",
        "https://fcm.googleapis.com",
        {
            "project_id": Field("The project.", r"[a-z0-9-]{1,60}"),
            "client_email": Field("The service account's address."),
            "token_url": Field(
                "Who gives its access tokens.", _URL, "https://oauth2.googleapis.com/token"
            ),
        },
        {"private_key": Field("The service account's key (PEM).", _PEM)},
        "https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send",
    ),
    Vendor(
        "apns",
        "push",
        "https://api.push.apple.com",
        {
            "team_id": Field("The team.", r"[A-Z0-9]{10}"),
            "key_id": Field("The key.", r"[A-Z0-9]{10}"),
            "topic": Field("The app's bundle id.", r"[A-Za-z0-9.-]{1,200}"),
        },
        {"private_key": Field("The key (.p8).", _PEM)},
        "https://developer.apple.com/documentation/usernotifications/"
        "sending-notification-requests-to-apns",
    ),
    Vendor(
        "web_push",
        "web_push",
        "",
        {"subject": Field("Whom push services may write to.", r"(mailto:|https://)[!-~]{3,200}")},
        {"private_key": Field("The key of VAPID (P-256, PEM).", _PEM)},
        "https://www.rfc-editor.org/rfc/rfc8030",
    ),
    Vendor(
        "wechat",
        "wechat",
        "https://api.weixin.qq.com",
        {"app_id": Field("The official account: wx…", r"wx[0-9a-zA-Z]{10,40}")},
        {"app_secret": Field("Its AppSecret.")},
        "https://developers.weixin.qq.com/doc/offiaccount/Message_Management/"
        "Template_Message_Interface.html",
    ),
    Vendor(
        "whatsapp",
        "whatsapp",
        "https://graph.facebook.com",
        {
            "phone_number_id": Field("The number that sends.", r"[0-9]{5,30}"),
            "version": Field("Of the Graph API.", r"v[0-9]{1,3}\.[0-9]{1,2}", "v21.0"),
        },
        {"access_token": Field("A system user's token.", r"[!-~]{1,2000}")},
        "https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages",
    ),
    Vendor(
        "webhook",
        "webhook",
        "",
        {"url": Field("Where messages are posted.", _URL)},
        {
            "secret": Field(
                "What they are signed with: whsec_…", r"whsec_[A-Za-z0-9+/]{32,88}={0,2}"
            )
        },
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    ),
)


class UnusableAccountError(ValueError):
    """What an account was given does not do; `place` is the name of the value."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def fields_of(vendor: Vendor) -> Mapping[str, Field]:
    """What may be said of an account, its address too where it has a usual one."""
    return {**vendor.fields, "base_url": _BASE} if vendor.base_url else vendor.fields


def completed(wanted: Mapping[str, Field], given: Mapping[str, str]) -> dict[str, str]:
    """Values with the defaults of those that were not given; UnusableAccountError.

    The error never has the value in it: it may be a secret.
    """
    for name in given:
        if name not in wanted:
            message = f"is none of {', '.join(sorted(wanted))}"
            raise UnusableAccountError(name, message)
    found: dict[str, str] = {}
    for name, field in wanted.items():
        value = given.get(name) or field.default
        if value is None:
            raise UnusableAccountError(name, f"is needed. {field.help}")
        if value and re.fullmatch(field.pattern, value) is None:
            raise UnusableAccountError(name, f"has not the right form. {field.help}")
        found[name] = value
    return found
