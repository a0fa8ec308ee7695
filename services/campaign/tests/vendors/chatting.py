"""Providers of messages in chats, WeChat and WhatsApp, and a receiver of webhooks."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

from services.campaign.tests.vendors.server import Answer, Asked, Vendor, said
from typing_extensions import override


class WeChat(Vendor):
    name, address = "wechat", "oOpenId1"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []
        self.by_key: dict[str, str] = {}

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        return {"app_id": "wx0123456789abcdef", "base_url": self.url}, {"app_secret": "of-wechat"}

    @override
    def wrong(self) -> dict[str, str]:
        return {"app_secret": "another"}

    @override
    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/cgi-bin/token":
            if asked.query["secret"] != "of-wechat":
                return self.refusal("40125")
            self.tokens.append(f"token{len(self.tokens)}")
            return said(200, {"access_token": self.tokens[-1], "expires_in": 7200})
        if asked.query.get("access_token") not in self.tokens[-1:]:
            return self.refusal("42001")
        wanted = asked.json
        key = wanted["client_msg_id"]
        if key not in self.by_key:
            text = wanted["data"]["first"]["value"]
            self.by_key[key] = self.take(wanted["touser"], text)
        return said(200, {"errcode": 0, "errmsg": "ok", "msgid": self.by_key[key]})

    @override
    def refusal(self, code: str) -> Answer:
        return said(200, {"errcode": int(code), "errmsg": "no"})


class WhatsApp(Vendor):
    name, address = "whatsapp", "+4915112345678"

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"phone_number_id": "1063123456", "base_url": self.url}
        return settings, {"access_token": "EAAG"}

    @override
    def wrong(self) -> dict[str, str]:
        return {"access_token": "another"}

    @override
    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Bearer EAAG":
            return self.refusal("190")
        if asked.method == "GET":
            return said(200, {"id": "1063123456", "verified_name": "Shop"})
        assert asked.path == "/v21.0/1063123456/messages"
        wanted = asked.json
        [body] = wanted["template"]["components"]
        given = self.take(wanted["to"], body["parameters"][0]["text"])
        return said(200, {"messaging_product": "whatsapp", "messages": [{"id": given}]})

    @override
    def refusal(self, code: str) -> Answer:
        status = {"190": 401, "0": 401, "80007": 429, "130429": 429, "131000": 500}.get(code, 400)
        error = {"message": "no", "type": "OAuthException", "code": int(code), "fbtrace_id": "x"}
        return said(status, {"error": error})


class Receiver(Vendor):
    """A program that checks what comes as the specification says."""

    name, address, at_once = "webhook", "p1", True
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA"

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        return {"url": f"{self.url}/hook"}, {"secret": self.secret}

    @override
    def wrong(self) -> dict[str, str]:
        return {"secret": "whsec_" + "A" * 40}

    @override
    def answer(self, asked: Asked) -> Answer:
        heads = [asked.headers[f"webhook-{name}"] for name in ("id", "timestamp")]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        text = ".".join(heads).encode() + b"." + asked.body
        wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        if f"v1,{wanted}" not in asked.headers["webhook-signature"].split(" "):
            return Answer(401)
        told = asked.json
        at = datetime.fromisoformat(told["timestamp"])
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
        if told["type"] != "rapport.check" and asked.headers["webhook-id"] not in self.seen:
            self.seen.add(asked.headers["webhook-id"])
            self.take(told["profile_id"], json.dumps(told["data"]))
        return Answer(204)

    @override
    def refusal(self, code: str) -> Answer:
        return Answer(int(code), b"what a receiver writes")
