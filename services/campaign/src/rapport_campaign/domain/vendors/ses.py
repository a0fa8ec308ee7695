"""Amazon SES through SNS: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from rapport_campaign.domain.outcomes import OutcomeClass
from rapport_campaign.domain.vendors.posts import (
    Post,
    Secret,
    Told,
    document,
    graded,
    is_near,
    one,
    text_of,
)

_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_REPLAY_SECONDS = 3600
"""SNS tries again for that long by itself."""
CONFIRM = "SubscriptionConfirmation"
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRM: (*("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),),
}
_OPTIONAL = "Subject"


def is_amazons(url: str) -> bool:
    """Whether an address is one of SNS: nothing else is fetched because a post says so."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and _HOST.fullmatch(parts.hostname or "") is not None
        and port in {None, 443}
        and parts.username is None
    )


def certificate_url(body: bytes) -> str | None:
    """Where the certificate of a post's signer is, if that is Amazon's."""
    url = text_of(document(body), "SigningCertURL")
    return url if is_amazons(url) and urlsplit(url).path.endswith(".pem") else None


def confirmation(body: bytes) -> str | None:
    """The address by which a post of a topic (which was believed) asks whether it may go on."""
    said = document(body)
    url = text_of(said, "SubscribeURL")
    return url if text_of(said, "Type") == CONFIRM and is_amazons(url) else None


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed."""
    said = document(post.body)
    if text_of(said, "TopicArn") != secret.topic:
        return "TopicArn is not the topic of this hook"
    try:
        at = datetime.fromisoformat(text_of(said, "Timestamp")).timestamp()
    except (ValueError, OverflowError):
        at = 0.0
    if not is_near(str(at), post.at, _REPLAY_SECONDS):
        return "Timestamp is not of the last hour"
    return None if _is_signed(said, post.certificate) else "Signature is not by Amazon's key"


def _is_signed(said: Any, certificate: bytes) -> bool:
    names = _SIGNED.get(text_of(said, "Type"))
    algorithms = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS's version 1
    algorithm = algorithms.get(text_of(said, "SignatureVersion"))
    if names is None or algorithm is None:
        return False
    lines = [
        f"{name}\n{text_of(said, name)}\n" for name in names if name != _OPTIONAL or name in said
    ]
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        signature = base64.b64decode(text_of(said, "Signature"), validate=True)
        if isinstance(key, RSAPublicKey):
            key.verify(signature, "".join(lines).encode(), PKCS1v15(), algorithm)
            return True
    except (InvalidSignature, ValueError, binascii.Error):
        pass
    return False


def told(post: Post) -> list[Told]:
    """What it says of one message."""
    said = document(post.body)
    if text_of(said, "Type") != "Notification":
        return []
    try:
        event = document(text_of(said, "Message").encode())
    except ValueError:
        # A topic begins by a greeting.
        return []
    mark = text_of(said, "MessageId")
    match text_of(event, "notificationType") or text_of(event, "eventType"):
        case "Delivery":
            response = text_of(event, "delivery", "smtpResponse")
            return [one("delivered", event, mark, text=response)]
        case "Complaint":
            kind = text_of(event, "complaint", "complaintFeedbackType") or "abuse"
            return [one("complained", event, mark, code=kind)] if kind != "not-spam" else []
        case "DeliveryDelay":
            kind = text_of(event, "deliveryDelay", "delayType")
            return [one("delayed", event, mark, code=kind)]
        case "Bounce":
            return [_bounce(event, mark)]
        case _:
            return []


def _bounce(event: Any, mark: str) -> Told:
    kind, detail = text_of(event, "bounce", "bounceType"), text_of(event, "bounce", "bounceSubType")
    bounce = event.get("bounce")
    whose = bounce.get("bouncedRecipients") if isinstance(bounce, dict) else None
    first = whose[0] if isinstance(whose, list) and whose else {}
    status, said = text_of(first, "status"), text_of(first, "diagnosticCode")
    grade: OutcomeClass = "unclear"
    if kind == "Permanent":
        grade = "hard" if detail != "General" else graded(status, said)
    elif kind == "Transient":
        is_about_mail = detail in {"MessageTooLarge", "ContentRejected", "AttachmentRejected"}
        grade = "blocked" if is_about_mail else "soft"
    return one("bounced", event, mark, grade=grade, code=status or f"{kind}.{detail}", text=said)
