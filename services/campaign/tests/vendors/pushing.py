"""Providers of push messages: Firebase, browsers' push services, Apple."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import h2.config
import h2.connection
import h2.events
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from services.campaign.tests.vendors.server import Answer, Asked, Vendor, said
from typing_extensions import override


def pem(key: Any) -> str:
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(raw.decode())


RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC, OTHER_EC, BROWSER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
AUTH = b"sixteen bytes..."


def claims(token: str, public: RSAKey | ECKey, algorithm: str) -> tuple[Any, Any] | None:
    """The header and the claims of a token that this key has signed."""
    try:
        found = jwt.decode(token, public, algorithms=[algorithm])
    except (JoseError, ValueError):
        return None
    return found.header, found.claims


def public_pem(key: Any) -> bytes:
    raw = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return bytes(raw)


class Fcm(Vendor):
    name, address = "fcm", "device-1"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"project_id": "shop", "client_email": "send@shop.iam.example"}
        urls = {"base_url": self.url, "token_url": f"{self.url}/token"}
        return {**settings, **urls}, {"private_key": pem(RSA)}

    @override
    def wrong(self) -> dict[str, str]:
        return {"private_key": pem(OTHER_RSA)}

    @override
    def is_message(self, asked: Asked) -> bool:
        return asked.path != "/token"

    @override
    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            return self._token(asked)
        if asked.headers.get("authorization") not in [f"Bearer {one}" for one in self.tokens[-1:]]:
            return self.refusal("UNAUTHENTICATED")
        assert asked.path == "/v1/projects/shop/messages:send"
        message = asked.json["message"]
        if message["token"] == "rapport-check":
            return self.refusal("INVALID_ARGUMENT")
        given = self.take(message["token"], message["notification"]["body"])
        return said(200, {"name": given})

    def _token(self, asked: Asked) -> Answer:
        found = claims(asked.form["assertion"], RSAKey.import_key(public_pem(RSA)), "RS256")
        if found is None or found[1]["aud"] != f"{self.url}/token":
            return said(400, {"error": "invalid_grant", "error_description": "Invalid signature"})
        self.tokens.append(f"ya29.{len(self.tokens)}")
        return said(200, {"access_token": self.tokens[-1], "expires_in": 3599})

    @override
    def refusal(self, code: str) -> Answer:
        known = {"UNREGISTERED": (404, "NOT_FOUND"), "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED")}
        of_fcm = {
            "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED"),
            "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED"),
            **known,
        }
        statuses = {
            "UNAUTHENTICATED": 401,
            "UNAVAILABLE": 503,
            "INTERNAL": 500,
            "NOT_FOUND": 404,
            "PERMISSION_DENIED": 403,
            "RESOURCE_EXHAUSTED": 429,
        }
        status, word = of_fcm.get(code, (statuses.get(code, 400), code))
        error: dict[str, Any] = {"code": status, "message": "no", "status": word}
        if code in of_fcm:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            error["details"] = [{"@type": kind, "errorCode": code}]
        return said(status, {"error": error})


class PushService(Vendor):
    """One of a browser: it can't read what it takes, but this one has the browser's key, too."""

    name, at_once = "web_push", True

    @property
    @override
    def address(self) -> str:  # type: ignore[override] # where it is is known once it runs
        point = BROWSER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": unpadded(point), "auth": unpadded(AUTH)}
        return json.dumps({"endpoint": f"{self.url}/push/1", "keys": keys})

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        return {"subject": "mailto:it@shop.example"}, {"private_key": pem(EC)}

    @override
    def wrong(self) -> dict[str, str]:
        return {"private_key": pem(OTHER_EC)}

    @override
    def answer(self, asked: Asked) -> Answer:
        told = asked.headers["authorization"].removeprefix("vapid ")
        parts = dict(part.strip().split("=", 1) for part in told.split(","))
        found = claims(parts["t"], ECKey.import_key(public_pem(EC)), "ES256")
        if found is None or found[1]["aud"] != self.url:
            return Answer(403)
        assert found[1]["sub"] == "mailto:it@shop.example"
        assert asked.headers["content-encoding"] == "aes128gcm"
        assert int(asked.headers["ttl"]) > 0
        given = self.take(self.address, json.loads(opened(asked.body))["body"])
        return Answer(201, b"", {"location": f"{self.url}/message/{given}"})

    @override
    def refusal(self, code: str) -> Answer:
        return Answer(int(code))


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(body: bytes) -> bytes:
    """What the browser reads (RFC 8188, 2; RFC 8291, 3.3 and 3.4)."""
    salt, length = body[:16], body[20]
    theirs, sealed = body[21 : 21 + length], body[21 + length :]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    own = BROWSER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = _hash(AUTH, BROWSER.exchange(ec.ECDH(), key))
    keyed = _hash(salt, _hash(shared, b"WebPush: info\0" + own + theirs + b"\1"))
    content = _hash(keyed, b"Content-Encoding: aes128gcm\0\1")[:16]
    nonce = _hash(keyed, b"Content-Encoding: nonce\0\1")[:12]
    plain = AESGCM(content).decrypt(nonce, sealed, None)
    assert plain.endswith(b"\2")
    return plain[:-1]


def _hash(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


class Apns(Vendor):
    """Apple's, which speaks HTTP/2 alone."""

    name, address = "apns", "ab" * 32

    @override
    def account(self) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"team_id": "TEAM567890", "key_id": "KEY4567890", "topic": "example.shop"}
        return {**settings, "base_url": self.url}, {"private_key": pem(EC)}

    @override
    def wrong(self) -> dict[str, str]:
        return {"private_key": pem(OTHER_EC)}

    @override
    def answer(self, asked: Asked) -> Answer:
        token = asked.headers["authorization"].removeprefix("bearer ")
        found = claims(token, ECKey.import_key(public_pem(EC)), "ES256")
        if found is None or found[0]["kid"] != "KEY4567890" or found[1]["iss"] != "TEAM567890":
            return self.refusal("InvalidProviderToken")
        assert asked.headers["apns-topic"] == "example.shop"
        device = asked.path.removeprefix("/3/device/")
        if device == "0" * 64:
            return self.refusal("BadDeviceToken")
        assert asked.headers["apns-push-type"] == "alert"
        self.take(device, asked.json["aps"]["alert"]["body"])
        return Answer(200, b"", {"apns-id": asked.headers["apns-id"]})

    @override
    def refusal(self, code: str) -> Answer:
        status = {"Unregistered": 410, "ExpiredToken": 410, "PayloadTooLarge": 413}.get(code, 400)
        if code.startswith("TooMany"):
            status = 429
        if "ProviderToken" in code and status == 400:
            status = 403
        return said({"InternalServerError": 500}.get(code, status), {"reason": code})

    @override
    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        while True:
            writer.write(connection.data_to_send())
            await writer.drain()
            raw = await reader.read(65536)
            if not raw:
                return
            for event in connection.receive_data(raw):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id] = {str(n): str(v) for n, v in event.headers}
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                elif isinstance(event, h2.events.StreamEnded):
                    head = heads[event.stream_id]
                    asked = Asked(head[":method"], head[":path"], head, bodies[event.stream_id])
                    answer, mood = self.decided(asked)
                    if mood.drops:
                        return
                    if mood.silent:
                        self.is_silent.set()
                    else:
                        _answered(connection, event.stream_id, answer)


def _answered(connection: h2.connection.H2Connection, stream: int, answer: Answer) -> None:
    named = [(":status", str(answer.status)), *answer.headers.items()]
    connection.send_headers(stream, named, end_stream=not answer.body)
    # What does not fit into the window is not sent: nobody reads so much.
    window = connection.local_flow_control_window(stream)
    body = answer.body[:window]
    while body:
        part, body = body[:16_384], body[16_384:]
        connection.send_data(stream, part, end_stream=not body)
