"""Text messages by Alibaba Cloud: SendSms of Dysmsapi 2017-05-25, signed by ACS3-HMAC-SHA256.

https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms, the signature:
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature. It sends
templates that it has approved. `OutId` comes back in reports and in QuerySendDetails, and makes
nothing once.
"""

import hashlib
import hmac
import secrets as chance
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import ClassVar
from urllib.parse import quote, urlsplit

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AWAY,
    DEAD,
    OPTED_OUT,
    REFUSED,
    TOO_FAST,
    Codes,
    Meaning,
    Speaking,
    Told,
    UnusableParcelError,
    content_of,
    taken,
)
from rapport_campaign.channels.http import Http, Reply, Request
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.inquiries import Finding, Question, Record
from rapport_campaign.domain.parcels import Channel, Parcel, Text
from rapport_common import clock

VERSION = "2017-05-25"
_ALGORITHM = "ACS3-HMAC-SHA256"
_A_MINUTE, _AN_HOUR = 60, 3600
_CHINA = timezone(timedelta(hours=8))
_FAILED = "2"

CODES: Codes = {
    "InvalidAccessKeyId.NotFound": ACCOUNT,
    "InvalidAccessKeyId.Inactive": ACCOUNT,
    "SignatureDoesNotMatch": ACCOUNT,
    "IncompleteSignature": ACCOUNT,
    "InvalidTimeStamp.Expired": ACCOUNT,  # our clock is wrong
    "Forbidden.RAM": ACCOUNT,
    "Throttling": TOO_FAST,
    "Throttling.User": TOO_FAST,
    "Throttling.Api": TOO_FAST,
    "ServiceUnavailable": AWAY,
    "isp.SYSTEM_ERROR": AWAY,
    "isp.RAM_PERMISSION_DENY": ACCOUNT,
    "isv.ACCOUNT_ABNORMAL": ACCOUNT,
    "isv.ACCOUNT_NOT_EXISTS": ACCOUNT,
    "isv.AMOUNT_NOT_ENOUGH": ACCOUNT,
    "isv.OUT_OF_SERVICE": ACCOUNT,
    "isv.PRODUCT_UN_SUBSCRIPT": ACCOUNT,
    "isv.PRODUCT_UNSUBSCRIBE": ACCOUNT,
    "isv.DENY_IP_RANGE": ACCOUNT,
    "isv.DAY_LIMIT_CONTROL": Meaning("released", fault="account", wait=_AN_HOUR),
    "isv.SMS_SIGNATURE_ILLEGAL": ACCOUNT,
    "isv.SMS_SIGN_ILLEGAL": ACCOUNT,
    "isv.SMS_TEMPLATE_ILLEGAL": REFUSED,
    "isv.TEMPLATE_MISSING_PARAMETERS": REFUSED,
    "isv.TEMPLATE_PARAMS_ILLEGAL": REFUSED,
    "isv.INVALID_JSON_PARAM": REFUSED,
    "isv.PARAM_LENGTH_LIMIT": REFUSED,
    "isv.PARAM_NOT_SUPPORT_URL": REFUSED,
    "isv.BLACK_KEY_CONTROL_LIMIT": REFUSED,
    "isv.SMS_CONTENT_ILLEGAL": REFUSED,
    "isv.MOBILE_NUMBER_ILLEGAL": DEAD,
    "isv.MOBILE_COUNT_OVER_LIMIT": REFUSED,
    "isv.BLACK_LIST": OPTED_OUT,
    # Of one number: so many a minute, an hour, a day.
    "isv.BUSINESS_LIMIT_CONTROL": Meaning("retry", wait=_A_MINUTE),
}


class Aliyun(Speaking):
    """An AccessKey with a signature."""

    channel: ClassVar[Channel] = "sms"
    asks: ClassVar[bool] = True

    def __init__(self, http: Http, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """`settings` and `secrets` as `domain.providers` names them."""
        self._http = http
        self._settings = settings
        self._secret = secrets["access_key_secret"]

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        content = content_of(parcel, Text)
        if not content.template:
            message = "Alibaba Cloud sends approved templates only, and the message names none"
            raise UnusableParcelError(message)
        query = {
            "PhoneNumbers": _number(parcel.address),
            "SignName": self._settings["sign_name"],
            "TemplateCode": content.template,
            "OutId": parcel.message_id[:255],
        }
        if content.parameters:
            query["TemplateParam"] = msgspec.json.encode(dict(content.parameters)).decode()
        reply = await self._ask("SendSms", query)
        body = reply.json()
        if reply.is_yes and body.get("Code") == "OK":
            return taken(str(body.get("BizId", "")))
        return self._judged(reply, _told(reply), CODES)

    @override
    async def _ask_about(self, question: Question) -> Finding:
        """By the number and the day in China, where `OutId` says which of them is ours."""
        days = {f"{at.astimezone(_CHINA):%Y%m%d}": None for at in (question.since, question.until)}
        for day in days:
            query = {
                "PhoneNumber": _number(question.address),
                "SendDate": day,
                "PageSize": "50",
                "CurrentPage": "1",
            }
            reply = await self._ask("QuerySendDetails", query)
            body = reply.json()
            if not reply.is_yes or body.get("Code") != "OK":
                return self._unfound(reply, _told(reply), CODES)
            listed = body.get("SmsSendDetailDTOs")
            details = listed.get("SmsSendDetailDTO") if isinstance(listed, dict) else None
            for one in details if isinstance(details, list) else ():
                if isinstance(one, dict) and one.get("OutId") == question.message_id[:255]:
                    failed = str(one.get("SendStatus")) == _FAILED
                    return Finding([Record("", failed, str(one.get("ErrCode") or ""))])
        return Finding()

    @override
    async def _check(self) -> Outcome:
        query = {"SignName": self._settings["sign_name"]}
        reply = await self._ask("QuerySmsSign", query)
        body = reply.json()
        if reply.is_yes and body.get("Code") == "OK":
            if body.get("SignStatus", 1) == 1:
                return taken(None)
            return Outcome("released", "the signature is not approved", fault="account")
        return self._judged(reply, _told(reply), CODES)

    async def _ask(self, action: str, query: Mapping[str, str]) -> Reply:
        base = self._settings["base_url"].rstrip("/")
        told = {
            "host": urlsplit(base).netloc,
            "x-acs-action": action,
            "x-acs-version": VERSION,
            "x-acs-signature-nonce": chance.token_hex(16),
        }
        signed = sign("POST", query, told, (self._settings["access_key_id"], self._secret))
        return await self._http.ask(Request("POST", f"{base}/?{canonical_query(query)}", signed))


def sign(
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    key: tuple[str, str],
    at: datetime | None = None,
) -> dict[str, str]:
    """`headers` with the date, the hash of an empty body, and the signature of all of them.

    `key`: the AccessKey and its secret; `at`: now, if nothing else.
    """
    hashed = hashlib.sha256(b"").hexdigest()
    date = (at or clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = {**headers, "x-acs-date": date, "x-acs-content-sha256": hashed}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    canonical = f"{method}\n/\n{canonical_query(query)}\n{lines}\n{names}\n{hashed}"
    text = f"{_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key[1].encode(), text.encode(), "sha256").hex()
    told = f"{_ALGORITHM} Credential={key[0]},SignedHeaders={names},Signature={signature}"
    return {**signed, "authorization": told}


def canonical_query(query: Mapping[str, str]) -> str:
    """By names, each percent-encoded but for letters, digits, and `-_.~`."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(query.items())
    )


def _number(address: str) -> str:
    """Numbers of China without their country, others with it, and none with a plus."""
    return address.removeprefix("+86") if address.startswith("+86") else address.removeprefix("+")


def _told(reply: Reply) -> Told:
    body = reply.json()
    return Told(str(body.get("Code", "")), str(body.get("Message", "")))
