"""Standard Webhooks 1.0.0: for whoever has no vendor, or one that is not known here.

The body is `{"outcomes": [{"message": "m.…@shop.example", "kind": "bounced", "class": "hard",
"code": "5.1.1", "text": "…"}]}`, where `message` is the Message-ID, or the envelope's sender.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any, cast

from rapport_campaign.domain.outcomes import OUTCOMES, OutcomeClass
from rapport_campaign.domain.vendors.posts import (
    MOST_TOLD,
    Post,
    Secret,
    Told,
    document,
    is_near,
    one,
    text_of,
)

PREFIX = "whsec_"
_CLASSES = ("hard", "soft", "blocked", "unclear")
_KINDS = frozenset(OUTCOMES) - {"opened", "clicked"}


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed."""
    name, stamp = post.headers.get("webhook-id", ""), post.headers.get("webhook-timestamp", "")
    if not is_near(stamp, post.at):
        return "webhook-timestamp is not of now"
    content = b".".join((name.encode(), stamp.encode(), post.body))
    right = hmac.digest(_key(secret.value), content, hashlib.sha256)
    for said in post.headers.get("webhook-signature", "").split()[:20]:
        version, _, signature = said.partition(",")
        if version == "v1" and hmac.compare_digest(_bytes(signature), right):
            return None
    return "webhook-signature is not by this hook's secret"


def told(post: Post) -> list[Told]:
    """What it says; ValueError for what is no such document."""
    found = document(post.body)
    listed = found.get("outcomes") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_TOLD:
        message = f'the body is {{"outcomes": [...]}} with at most {MOST_TOLD} of them'
        raise ValueError(message)
    return [_one(place, said, post) for place, said in enumerate(listed)]


def _one(place: int, said: Any, post: Post) -> Told:
    kind, grade = text_of(said, "kind"), text_of(said, "class")
    if kind not in _KINDS or (kind == "bounced") != (grade in _CLASSES):
        message = (
            f"outcomes[{place}]: kind is one of {', '.join(sorted(_KINDS))}; of `bounced` class is "
            f"one of {', '.join(_CLASSES)}, of others there is none"
        )
        raise ValueError(message)
    return one(
        kind,
        text_of(said, "message"),
        f"{post.headers.get('webhook-id', '')} {place}",
        grade=cast("OutcomeClass", grade),
        code=text_of(said, "code"),
        text=text_of(said, "text"),
    )


def _key(secret: str) -> bytes:
    return _bytes(secret.removeprefix(PREFIX))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
