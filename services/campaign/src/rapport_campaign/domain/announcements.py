"""What is posted of a message's outcome, and to whom: bodies after Standard Webhooks 1.0.0.

No post has an address in it, nor what a server has said: both can name a person. They are asked for
by the message's id.
"""

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from rapport_campaign.domain.model import Kind, MessageState
from rapport_campaign.domain.outcomes import OutcomeClass, OutcomeKind

Scope = Literal["transactional", "all"]
"""Of which messages: those of no campaign, or all. Test sends are nobody's business."""

Announced = Literal[
    "sent",
    "failed",
    "suppressed",
    "uncertain",
    "delivered",
    "bounced",
    "complained",
    "replied",
    "opened",
    "clicked",
]
ANNOUNCED: tuple[Announced, ...] = get_args(Announced)
USUAL: tuple[Announced, ...] = (
    "sent",
    "failed",
    "suppressed",
    "uncertain",
    "delivered",
    "bounced",
    "complained",
)
"""What a webhook is told of that names nothing; what people do with a message it has to name."""

_ENDED: dict[MessageState, Announced] = {
    "sent": "sent",
    "failed": "failed",
    "suppressed": "suppressed",
    "uncertain": "uncertain",
}
_REPORTED: dict[OutcomeKind, Announced] = {
    "delivered": "delivered",
    "bounced": "bounced",
    "complained": "complained",
    "replied": "replied",
    "opened": "opened",
    "clicked": "clicked",
}


def of_state(state: MessageState) -> Announced | None:
    """What is told of a message that has come into a state; None: it has not ended."""
    return _ENDED.get(state)


def of_outcome(kind: OutcomeKind, grade: OutcomeClass) -> Announced | None:
    """What is told of what became known of a message; None: nothing, as of a machine's click."""
    if kind in {"opened", "clicked"} and grade != "human":
        return None
    return _REPORTED.get(kind)


def scopes(kind: Kind) -> tuple[Scope, ...]:
    """Which webhooks hear of a message of this kind."""
    if kind == "test":
        return ()
    return ("all", "transactional") if kind in {"request", "opt_in"} else ("all",)


def body_of(
    told: Announced,
    at: datetime,
    *,
    send_key: str,
    kind: Kind,
    channel: str,
    profile_id: str,
    campaign_id: str | None,
    **said: str | None,
) -> str:
    """What is posted, as JSON; of `said` what is anything."""
    data: dict[str, Any] = {
        "id": send_key,
        "kind": kind,
        "channel": channel,
        "campaign_id": campaign_id or None,
        "profile_id": profile_id or None,
        **{name: value for name, value in said.items() if value},
    }
    body = {"type": f"message.{told}", "timestamp": at, "data": data}
    return msgspec.json.encode(body).decode()
