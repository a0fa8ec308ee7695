"""Posts of vendors about messages, as each signs them."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from services.campaign.tests.conftest import PUBLIC

from rapport_campaign.domain import returning
from rapport_campaign.domain.vendors import Vendor
from rapport_campaign.domain.vendors.posts import Post, Secret
from rapport_common.testing.credentials import LINK_KEY

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
TOKEN = returning.signed(LINK_KEY, "acme", "ab" * 32)
NAME = f"<m.{TOKEN}@shop.example>"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
WHSEC = "whsec_" + base64.b64encode(b"s" * 24).decode()
URL = f"{PUBLIC}/hooks/x/twilio?message={TOKEN}"


def certificate(key: Any = RSA_KEY) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(days=400))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


PEM = certificate()
SECRETS: dict[Vendor, Secret] = {
    "twilio": Secret("token"),
    "ses": Secret("", TOPIC),
    "sendgrid": Secret(
        base64.b64encode(
            EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode()
    ),
    "mailgun": Secret("key"),
    "postmark": Secret("user:password"),
    "standard": Secret(WHSEC),
}


def standard_post(said: Any, at: float = NOW) -> Post:
    body = said if isinstance(said, bytes) else json.dumps({"outcomes": said}).encode()
    signed = hmac.digest(b"s" * 24, b"msg_1.%d." % int(at) + body, "sha256")
    told = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at))}
    told["webhook-signature"] = f"v1,AAAA v1,{base64.b64encode(signed).decode()}"
    return Post(f"{PUBLIC}/hooks/x/standard", told, body, at)


def mailgun_post(event: Any, at: float = NOW) -> Post:
    right = hmac.new(b"key", f"{int(at)}abc".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": str(int(at)), "token": "abc", "signature": right}
    body = json.dumps({"signature": signature, "event-data": event}).encode()
    return Post(f"{PUBLIC}/hooks/x/mailgun", {}, body, at)


def postmark_post(event: Any, at: float = NOW) -> Post:
    given = base64.b64encode(b"user:password").decode()
    return Post(PUBLIC, {"authorization": f"Basic {given}"}, json.dumps(event).encode(), at)


def sendgrid_post(events: Any, at: float = NOW) -> Post:
    body = json.dumps(events).encode()
    signed = EC_KEY.sign(str(int(at)).encode() + body, ec.ECDSA(hashes.SHA256()))
    prefix = "x-twilio-email-event-webhook"
    told = {f"{prefix}-timestamp": str(int(at))}
    told[f"{prefix}-signature"] = base64.b64encode(signed).decode()
    return Post(PUBLIC, told, body, at)


def ses_post(event: Any, at: float = NOW, **changes: str) -> Post:
    said = {
        "Type": "Notification",
        "MessageId": "m1",
        "TopicArn": TOPIC,
        "Message": event if isinstance(event, str) else json.dumps(event),
        "Timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
        "SignatureVersion": "2",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        **changes,
    }
    names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    if said["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{said[name]}\n" for name in names).encode()
    kind: Any = hashes.SHA1() if said["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    said["Signature"] = base64.b64encode(RSA_KEY.sign(text, padding.PKCS1v15(), kind)).decode()
    return Post(PUBLIC, {}, json.dumps(said).encode(), at, PEM)


def twilio_post(fields: dict[str, str], at: float = NOW, url: str = URL) -> Post:
    content = url + "".join(name + fields[name] for name in sorted(fields))
    signed = hmac.new(b"token", content.encode(), hashlib.sha1).digest()
    told = {"x-twilio-signature": base64.b64encode(signed).decode()}
    return Post(url, told, urlencode(fields).encode(), at)


def mailgun_said(event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "id": "1", "message": {"headers": {"message-id": NAME[1:-1]}}, **more}


def sendgrid_said(event: str, **more: Any) -> list[Any]:
    return [{"event": event, "sg_event_id": "1", "smtp-id": NAME, **more}]


def ses_said(kind: str, **more: Any) -> dict[str, Any]:
    return {"notificationType": kind, "mail": {"commonHeaders": {"messageId": NAME}}, **more}


def ses_bounce_said(kind: str, detail: str, **first: str) -> dict[str, Any]:
    bounce = {"bounceType": kind, "bounceSubType": detail, "bouncedRecipients": [first]}
    return ses_said("Bounce", bounce=bounce)


def postmark_said(kind: str, **more: Any) -> dict[str, Any]:
    return {"RecordType": kind, "ID": 1, "Content": f"Message-ID: {NAME}", **more}


def twilio_said(status: str, code: str = "") -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": status, **({"ErrorCode": code} if code else {})}
