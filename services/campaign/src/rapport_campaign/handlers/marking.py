"""What a claimed message becomes by the verdict on it."""

from collections.abc import Mapping
from datetime import datetime

from rapport_campaign.domain.model import Claimed, MessageKey
from rapport_campaign.domain.permission import Send, Suppress, Verdict
from rapport_campaign.store.sending import Mark

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0


def marked(
    claimed: Claimed,
    verdict: Verdict,
    lacking: str | None,
    now: datetime,
    lanes: Mapping[MessageKey, str],
) -> Mark:
    """Its mark; `lacking`: why nothing can be made of it, `lanes`: in which each counts."""
    if lacking is not None:
        return Mark(claimed.key, "failed", lacking)
    if isinstance(verdict, Send):
        lane = lanes.get(claimed.key)
        return Mark(claimed.key, "sending", address=verdict.address, lane=lane)
    if isinstance(verdict, Suppress):
        return Mark(claimed.key, "suppressed", verdict.reason)
    if verdict.until is not None:
        seconds = max((verdict.until - now).total_seconds(), 0.0)
        return Mark(claimed.key, "planned", verdict.reason, delay=seconds)
    delay = min(FIRST_WAIT * 2.0 ** min(claimed.waits, 20), LONGEST_WAIT)
    return Mark(claimed.key, "planned", verdict.reason, delay=delay)
