"""SendGrid's signed event webhook:
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rapport_campaign.domain.vendors.posts import (
    MOST_TOLD,
    Post,
    Secret,
    Told,
    document,
    graded,
    is_near,
    one,
    text_of,
)

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_DEAD = frozenset({"Bounced Address", "Invalid"})
_UNWANTED = frozenset({"Spam Reporting Address", "Unsubscribed Address"})


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed."""
    stamp = post.headers.get(_TIMESTAMP, "")
    if not is_near(stamp, post.at):
        return f"{_TIMESTAMP} is not of now"
    try:
        key = load_der_public_key(base64.b64decode(secret.value, validate=True))
        signature = base64.b64decode(post.headers.get(_SIGNATURE, ""), validate=True)
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, stamp.encode() + post.body, ECDSA(hashes.SHA256()))
            return None
    except (InvalidSignature, ValueError, binascii.Error):
        pass
    return f"{_SIGNATURE} is not by this hook's key"


def told(post: Post) -> list[Told]:
    """What it says, of many messages."""
    events = document(post.body)
    if not isinstance(events, list) or len(events) > MOST_TOLD:
        message = f"the body is no list of at most {MOST_TOLD} events"
        raise ValueError(message)
    return [found for event in events if (found := _event(event)) is not None]


def _event(event: Any) -> Told | None:
    mark, said = text_of(event, "sg_event_id"), text_of(event, "reason")
    status = text_of(event, "status")
    match text_of(event, "event"):
        case "delivered":
            return one("delivered", event, mark, text=text_of(event, "response"))
        case "deferred":
            return one("delayed", event, mark, code=status, text=text_of(event, "response"))
        case "spamreport":
            return one("complained", event, mark, code="abuse")
        case "bounce":
            is_blocked = text_of(event, "type") == "blocked"
            grade = "blocked" if is_blocked else graded(status, said)
            return one("bounced", event, mark, grade=grade, code=status, text=said)
        case "dropped" if said in _DEAD:
            return one("bounced", event, mark, grade="hard", code="dropped", text=said)
        case "dropped" if said in _UNWANTED:
            return one("complained", event, mark, code="dropped", text=said)
        case "dropped":
            return one("bounced", event, mark, grade="blocked", code="dropped", text=said)
        case _:
            return None
