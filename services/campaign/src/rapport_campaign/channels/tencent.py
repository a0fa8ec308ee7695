"""Text messages by Tencent Cloud: SendSms of 2021-01-11, signed by TC3-HMAC-SHA256.

https://cloud.tencent.com/document/product/382/55981, the signature:
https://cloud.tencent.com/document/api/382/52072. It sends templates that it has approved, whose
parameters have no names: they are given in their order. It takes nothing once by a key.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

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

VERSION = "2021-01-11"
_ALGORITHM = "TC3-HMAC-SHA256"
_JSON = "application/json; charset=utf-8"
_AN_HOUR, _A_DAY = 3600, 86_400
_ANSWERED = timedelta(days=3)
"""So long operators may take to tell of a message."""

CODES: Codes = {
    "FailedOperation.ContainSensitiveWord": REFUSED,
    "FailedOperation.InsufficientBalanceInSmsPackage": ACCOUNT,
    "FailedOperation.MissingSignature": ACCOUNT,
    "FailedOperation.MissingTemplateToModify": REFUSED,
    "FailedOperation.PhoneNumberInBlacklist": OPTED_OUT,
    "FailedOperation.SignatureIncorrectOrUnapproved": ACCOUNT,
    "FailedOperation.TemplateIncorrectOrUnapproved": REFUSED,
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": REFUSED,
    "InvalidParameterValue.IncorrectPhoneNumber": DEAD,
    "InvalidParameterValue.SdkAppIdNotExist": ACCOUNT,
    "InvalidParameterValue.TemplateParameterFormatError": REFUSED,
    "InvalidParameterValue.TemplateParameterLengthLimit": REFUSED,
    "LimitExceeded.AppDailyLimit": Meaning("released", fault="account", wait=_AN_HOUR),
    "LimitExceeded.AppMainlandChinaDailyLimit": Meaning("released", fault="account", wait=_AN_HOUR),
    "LimitExceeded.DailyLimit": Meaning("released", fault="account", wait=_AN_HOUR),
    "LimitExceeded.DeliveryFrequencyLimit": Meaning("retry", wait=30),
    "LimitExceeded.PhoneNumberDailyLimit": Meaning("retry", wait=_A_DAY / 4),
    "LimitExceeded.PhoneNumberOneHourLimit": Meaning("retry", wait=_AN_HOUR),
    "LimitExceeded.PhoneNumberSameContentDailyLimit": Meaning("retry", wait=_A_DAY / 4),
    "LimitExceeded.PhoneNumberThirtySecondLimit": Meaning("retry", wait=30),
    "RequestLimitExceeded": TOO_FAST,
    "UnsupportedOperation": REFUSED,
}
"""What begins with `AuthFailure` or `UnauthorizedOperation` is the account's, with `InternalError`
Tencent's own.
"""


class Tencent(Speaking):
    """A SecretId with an application and a signature."""

    channel: ClassVar[Channel] = "sms"
    asks: ClassVar[bool] = True

    def __init__(self, http: Http, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """`settings` and `secrets` as `domain.providers` names them."""
        self._http = http
        self._settings = settings
        self._secret = secrets["secret_key"]

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        content = content_of(parcel, Text)
        if not content.template:
            message = "Tencent Cloud sends approved templates only, and the message names none"
            raise UnusableParcelError(message)
        wanted = {
            "PhoneNumberSet": [parcel.address],
            "SmsSdkAppId": self._settings["sdk_app_id"],
            "SignName": self._settings["sign_name"],
            "TemplateId": content.template,
            "TemplateParamSet": list(content.parameters.values()),
            "SessionContext": parcel.message_id[:512],
        }
        reply = await self._ask("SendSms", wanted)
        statuses = _answer(reply).get("SendStatusSet")
        found = statuses[0] if isinstance(statuses, list) and statuses else None
        if not reply.is_yes or not isinstance(found, dict):
            return self._refused(reply, _told(reply))
        if found.get("Code") == "Ok":
            return taken(str(found.get("SerialNo", "")))
        return self._refused(reply, Told(str(found.get("Code", "")), str(found.get("Message", ""))))

    @override
    async def _ask_about(self, question: Question) -> Finding:
        """By the number and the time; `SessionContext`, if Tencent Cloud has switched it on for the
        account, says which of them is ours. It tells of what an operator has answered to only.
        """
        wanted = {
            "BeginTime": int(question.since.timestamp()),
            "EndTime": int((question.until + _ANSWERED).timestamp()),
            "Offset": 0,
            "Limit": 100,
            "PhoneNumber": question.address,
            "SmsSdkAppId": self._settings["sdk_app_id"],
        }
        reply = await self._ask("PullSmsSendStatusByPhoneNumber", wanted)
        listed = _answer(reply).get("PullSmsSendStatusSet")
        if not reply.is_yes or not isinstance(listed, list):
            refused = self._refused(reply, _told(reply))
            return Finding(reason=refused.reason or "", fault=refused.fault or "vendor")
        own = question.message_id[:512]
        found = [
            Record(
                str(one.get("SerialNo") or ""),
                one.get("ReportStatus") == "FAIL",
                str(one.get("Description") or ""),
            )
            for one in listed
            if isinstance(one, dict) and one.get("SessionContext") == own
        ]
        return Finding(found)

    @override
    async def _check(self) -> Outcome:
        reply = await self._ask("DescribeSmsSignList", {"SignIdSet": [0], "International": 0})
        told = _told(reply)
        # There is no signature of this number, and only who is let in is told so.
        if reply.is_yes and not told.code.startswith(("AuthFailure", "Unauthorized", "Internal")):
            return taken(None)
        return self._refused(reply, told)

    def _refused(self, reply: Reply, told: Told) -> Outcome:
        kind = told.code.partition(".")[0]
        of_kind = {"AuthFailure": ACCOUNT, "UnauthorizedOperation": ACCOUNT, "InternalError": AWAY}
        if told.code in CODES or kind not in of_kind:
            # Its errors come with the status 200.
            refused = Reply(400, reply.headers) if told.code and reply.is_yes else reply
            return self._judged(refused, told, CODES)
        return self._judged(reply, told, {told.code: of_kind[kind]})

    async def _ask(self, action: str, wanted: Mapping[str, Any]) -> Reply:
        base = self._settings["base_url"].rstrip("/")
        body = msgspec.json.encode(wanted)
        signed = {
            "content-type": _JSON,
            "host": urlsplit(base).netloc,
            "x-tc-action": action.lower(),
        }
        now = clock.now()
        key = (self._settings["secret_id"], self._secret)
        headers = {
            **signed,
            "authorization": authorization("sms", signed, body, key, now),
            "x-tc-action": action,
            "x-tc-version": VERSION,
            "x-tc-timestamp": str(int(now.timestamp())),
            "x-tc-region": self._settings["region"],
        }
        return await self._http.ask(Request("POST", f"{base}/", headers, body))


def authorization(
    service: str, headers: Mapping[str, str], body: bytes, key: tuple[str, str], at: datetime
) -> str:
    """The signature of a POST to `/`: of these headers (by their names in small letters, the values
    in small letters, too) and the body. `key`: the SecretId and its SecretKey.
    """
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    date = at.astimezone(UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{int(at.timestamp())}\n{scope}\n{hashed}"
    derived = b"TC3" + key[1].encode()
    for part in (date, service, "tc3_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.digest(derived, text.encode(), "sha256").hex()
    return f"{_ALGORITHM} Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={signature}"


def _answer(reply: Reply) -> dict[str, Any]:
    found = reply.json().get("Response")
    return found if isinstance(found, dict) else {}


def _told(reply: Reply) -> Told:
    error = _answer(reply).get("Error")
    if not isinstance(error, dict):
        return Told()
    return Told(str(error.get("Code", "")), str(error.get("Message", "")))
