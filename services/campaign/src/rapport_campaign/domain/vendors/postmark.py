"""Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview

It signs nothing: who posts knows a user and a password. It names a mail by an id of its own, so the
webhook has to include the content of bounces and complaints, where ours stands.
"""

import base64
import binascii
import hmac
from typing import Any

from rapport_campaign.domain.outcomes import OutcomeClass
from rapport_campaign.domain.vendors.posts import Post, Secret, Told, document, one, text_of

_HARD = frozenset({"HardBounce", "BadEmailAddress", "ManuallyDeactivated"})
_BLOCKED = frozenset(
    {"SpamNotification", "Blocked", "DMARCPolicy", "VirusNotification", "ChallengeVerification"}
)
_NOTED = frozenset({"AutoResponder", "AddressChange", "Subscribe", "OpenRelayTest"})
_UNWANTED = frozenset({"SpamComplaint", "Unsubscribe"})


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed."""
    kind, _, given = post.headers.get("authorization", "").partition(" ")
    try:
        said = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        said = b""
    right = kind.lower() == "basic" and hmac.compare_digest(said, secret.value.encode())
    return None if right else "Authorization is not the user and password of this hook"


def told(post: Post) -> list[Told]:
    """What it says of one message."""
    event = document(post.body)
    mark = f"{text_of(event, 'ID')} {text_of(event, 'MessageID')} {text_of(event, 'RecordType')}"
    match text_of(event, "RecordType"):
        case "Delivery":
            return [one("delivered", event, mark, text=text_of(event, "Details"))]
        case "SpamComplaint":
            return [one("complained", event, mark, code="abuse")]
        case "Bounce":
            return [_bounce(event, mark)]
        case _:
            return []


def _bounce(event: Any, mark: str) -> Told:
    kind, said = text_of(event, "Type"), text_of(event, "Details")
    said = said or text_of(event, "Description")
    if kind in _UNWANTED:
        return one("complained", event, mark, code=kind)
    if kind in _NOTED:
        return one("auto_replied", event, mark, code=kind)
    grade: OutcomeClass = "hard" if kind in _HARD else "blocked" if kind in _BLOCKED else "soft"
    return one("bounced", event, mark, grade=grade, code=kind, text=said)
