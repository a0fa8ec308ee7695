"""Providers of text messages: Twilio, Alibaba Cloud, Tencent Cloud."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from services.campaign.tests.vendors.server import Answer, Asked, Record, Vendor, said
from typing_extensions import override

from rapport_common import clock

SID = "AC" + "0" * 32


class Twilio(Vendor):
    name, address = "twilio", "+15551234567"
    secret = "a" * 32

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"account_sid": SID, "from": "+15550000000", "base_url": self.url}
        return settings, {"auth_token": self.secret}

    @override
    def wrong(self) -> dict[str, str]:
        return {"auth_token": "b" * 32}

    @override
    def answer(self, asked: Asked) -> Answer:
        login = base64.b64encode(f"{SID}:{self.secret}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return said(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if asked.path == f"/2010-04-01/Accounts/{SID}.json":
            return said(200, {"sid": SID, "status": "active"})
        if asked.path != f"/2010-04-01/Accounts/{SID}/Messages.json":
            return said(404, {"code": 20404, "message": "not found", "status": 404})
        if asked.method == "GET":
            assert asked.query["DateSent>"] <= f"{clock.now():%Y-%m-%d}"
            return said(200, {"messages": [*map(self._listed, reversed(self.records))]})
        given = self.take(asked.form["To"], asked.form["Body"])
        return said(201, {"sid": given, "status": "queued", "num_segments": "1", "price": None})

    def _listed(self, one: Record) -> dict[str, Any]:
        return {
            "sid": one.id_at(self.name),
            "body": one.text,
            "direction": "outbound-api",
            "to": one.address,
            "date_created": format_datetime(one.at),
            "status": "undelivered" if one.failed else "sent",
            "error_code": 30005 if one.failed else None,
        }

    @override
    def refusal(self, code: str) -> Answer:
        status = {"20003": 401, "20429": 429, "20404": 404}.get(code, 400)
        return said(status, {"code": int(code), "message": "no", "status": status})


class Aliyun(Vendor):
    name, address = "aliyun", "+8613800138000"

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"access_key_id": "LTAI", "sign_name": "商店", "base_url": self.url}
        return settings, {"access_key_secret": "of-aliyun"}

    @override
    def wrong(self) -> dict[str, str]:
        return {"access_key_secret": "another"}

    @override
    def answer(self, asked: Asked) -> Answer:
        if not self._is_signed(asked):
            return self.refusal("SignatureDoesNotMatch")
        if asked.headers["x-acs-action"] == "QuerySmsSign":
            return said(200, {"Code": "OK", "SignStatus": 1})
        query = asked.query
        if asked.headers["x-acs-action"] == "QuerySendDetails":
            return self._details(query)
        assert asked.headers["x-acs-action"] == "SendSms"
        assert query["SignName"] == "商店"
        given = self.take(query["PhoneNumbers"], query["TemplateParam"])
        self.records[-1].reference = query["OutId"]
        return said(200, {"Code": "OK", "Message": "OK", "BizId": given, "RequestId": "r"})

    @override
    def is_message(self, asked: Asked) -> bool:
        return asked.headers.get("x-acs-action") == "SendSms"

    def _details(self, query: Mapping[str, str]) -> Answer:
        assert query["PhoneNumber"] == "13800138000"
        china = timezone(timedelta(hours=8))
        details = [
            {"OutId": one.reference, "SendStatus": 2 if one.failed else 3, "ErrCode": "UNKNOWN"}
            for one in self.records
            if f"{one.at.astimezone(china):%Y%m%d}" == query["SendDate"]
        ]
        return said(200, {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": details}})

    @staticmethod
    def _is_signed(asked: Asked) -> bool:
        """Worked out from what came, in the words of the documentation."""
        told = dict(
            part.strip().split("=", 1)
            for part in asked.headers["authorization"].removeprefix("ACS3-HMAC-SHA256 ").split(",")
        )
        names = told["SignedHeaders"].split(";")
        assert {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date"} <= set(names)
        assert asked.headers["x-acs-content-sha256"] == hashlib.sha256(asked.body).hexdigest()
        pairs = sorted(asked.query.items())
        query = "&".join(f"{quote(a, safe='~')}={quote(b, safe='~')}" for a, b in pairs)
        lines = [f"{name}:{asked.headers[name]}" for name in sorted(names)]
        canonical = "\n".join(
            [
                asked.method,
                asked.path,
                query,
                *lines,
                "",
                told["SignedHeaders"],
                asked.headers["x-acs-content-sha256"],
            ]
        )
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        wanted = hmac.new(b"of-aliyun", text.encode(), hashlib.sha256).hexdigest()
        return told["Credential"] == "LTAI" and told["Signature"] == wanted

    @override
    def refusal(self, code: str) -> Answer:
        status = {"SignatureDoesNotMatch": 400, "ServiceUnavailable": 503}.get(code, 200)
        if code.startswith("Throttling"):
            status = 400
        return said(status, {"Code": code, "Message": "不行", "RequestId": "r"})


class Tencent(Vendor):
    name, address = "tencent", "+8613800138000"

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"secret_id": "AKID", "sdk_app_id": "1400006666", "sign_name": "商店"}
        return {**settings, "base_url": self.url}, {"secret_key": "of-tencent"}

    @override
    def wrong(self) -> dict[str, str]:
        return {"secret_key": "another"}

    @override
    def answer(self, asked: Asked) -> Answer:
        if not self._is_signed(asked):
            return self._error("AuthFailure.SignatureFailure")
        if asked.headers["x-tc-action"] == "DescribeSmsSignList":
            return said(200, {"Response": {"DescribeSignListStatusSet": [], "RequestId": "r"}})
        wanted = asked.json
        if asked.headers["x-tc-action"] == "PullSmsSendStatusByPhoneNumber":
            return self._pulled(wanted)
        assert (wanted["SmsSdkAppId"], wanted["SignName"]) == ("1400006666", "商店")
        given = self.take(wanted["PhoneNumberSet"][0], wanted["TemplateParamSet"][0])
        self.records[-1].reference = wanted["SessionContext"]
        return self._status({"SerialNo": given, "Code": "Ok", "Message": "send success"})

    @override
    def is_message(self, asked: Asked) -> bool:
        return asked.headers.get("x-tc-action") == "SendSms"

    def _pulled(self, wanted: Mapping[str, Any]) -> Answer:
        assert wanted["SmsSdkAppId"] == "1400006666"
        listed = [
            {
                "SerialNo": one.id_at(self.name),
                "SessionContext": one.reference,
                "ReportStatus": "FAIL" if one.failed else "SUCCESS",
                "Description": "DELIVRD",
            }
            for one in self.records
            if wanted["BeginTime"] <= one.at.timestamp() <= wanted["EndTime"]
            and one.address == wanted["PhoneNumber"]
        ]
        return said(200, {"Response": {"PullSmsSendStatusSet": listed, "RequestId": "r"}})

    @staticmethod
    def _is_signed(asked: Asked) -> bool:
        told = asked.headers["authorization"].removeprefix("TC3-HMAC-SHA256 ")
        parts = dict(part.strip().split("=", 1) for part in told.split(", "))
        names = parts["SignedHeaders"].split(";")
        values = {**asked.headers, "x-tc-action": asked.headers["x-tc-action"].lower()}
        lines = "".join(f"{name}:{values[name]}\n" for name in names)
        hashed = hashlib.sha256(asked.body).hexdigest()
        canonical = f"{asked.method}\n/\n\n{lines}\n{parts['SignedHeaders']}\n{hashed}"
        stamp = int(asked.headers["x-tc-timestamp"])
        date = datetime.fromtimestamp(stamp, UTC).date().isoformat()
        scope = f"{date}/sms/tc3_request"
        text = f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n"
        text += hashlib.sha256(canonical.encode()).hexdigest()
        key = b"TC3of-tencent"
        for part in (date, "sms", "tc3_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return parts == {
            "Credential": f"AKID/{scope}",
            "SignedHeaders": parts["SignedHeaders"],
            "Signature": wanted,
        }

    @override
    def refusal(self, code: str) -> Answer:
        if code.startswith(("LimitExceeded", "FailedOperation", "InvalidParameterValue.Incorrect")):
            return self._status({"SerialNo": "", "Code": code, "Message": "不行"})
        return self._error(code)

    @staticmethod
    def _error(code: str) -> Answer:
        error = {"Code": code, "Message": "不行"}
        return said(200, {"Response": {"Error": error, "RequestId": "r"}})

    @staticmethod
    def _status(status: dict[str, str]) -> Answer:
        return said(200, {"Response": {"SendStatusSet": [status], "RequestId": "r"}})
