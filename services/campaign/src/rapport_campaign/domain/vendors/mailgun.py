"""Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks

Its signature is over a time and a token, and not over what is told: so only what names a message of
ours by a token of ours counts, as everywhere.
"""

import hashlib
import hmac

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

_REPLAY_SECONDS = 8 * 3600
"""It tries a post again for eight hours, under the time of the first."""


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed."""
    said = document(post.body)
    stamp, token = text_of(said, "signature", "timestamp"), text_of(said, "signature", "token")
    if not is_near(stamp, post.at, _REPLAY_SECONDS):
        return "signature.timestamp is not of the last hours"
    right = hmac.new(secret.value.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    given = text_of(said, "signature", "signature").encode()
    return None if hmac.compare_digest(right.encode(), given) else "signature is not by this key"


def told(post: Post) -> list[Told]:
    """What it says of one message."""
    said = document(post.body)
    event = said.get("event-data") if isinstance(said, dict) else None
    if not isinstance(event, dict):
        message = "event-data is missing"
        raise ValueError(message)  # noqa: TRY004 - of a body, not of an argument
    mark = text_of(event, "id")
    match text_of(event, "event"):
        case "delivered":
            return [one("delivered", event, mark)]
        case "complained":
            return [one("complained", event, mark, code="abuse")]
        case "failed":
            return [_failed(event, mark)]
        case _:
            return []


def _failed(event: dict[str, object], mark: str) -> Told:
    status = text_of(event, "delivery-status", "enhanced-code")
    code = status or text_of(event, "delivery-status", "code")
    said = text_of(event, "delivery-status", "message")
    said = said or text_of(event, "delivery-status", "description")
    if text_of(event, "severity") != "permanent":
        # It goes on trying, and says so when it has given up.
        return one("delayed", event, mark, code=code, text=said)
    grade = "soft" if text_of(event, "reason") == "old" else graded(code, said)
    return one("bounced", event, mark, grade=grade, code=code, text=said)
