"""What a claimed message becomes by the verdict on it: its mark, and a job if it goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rapport_campaign.domain.model import Campaign, Claimed, Content, MessageKey, Person
from rapport_campaign.domain.permission import QUIET, Send, Suppress, Verdict
from rapport_campaign.handlers.personal import Personal
from rapport_campaign.render.compose import Job
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
    if verdict.until is not None and verdict.reason == QUIET:
        # They are many, and keep their order: who comes first gets the last coupon.
        return Mark(claimed.key, "planned", verdict.reason, until=verdict.until)
    if verdict.until is not None:
        seconds = max((verdict.until - now).total_seconds(), 0.0)
        return Mark(claimed.key, "planned", verdict.reason, delay=seconds)
    delay = min(FIRST_WAIT * 2.0 ** min(claimed.waits, 20), LONGEST_WAIT)
    return Mark(claimed.key, "planned", verdict.reason, delay=delay)


def unsaid(going: Sequence[Claimed], personal: Personal) -> dict[str, Verdict]:
    """The verdicts, by send key, on messages that have nothing to say to their person."""
    return {
        one.send_key: Suppress(personal.silent[one.key])
        for one in going
        if one.key in personal.silent
    }


def job_of(
    one: Claimed,
    verdicts: Mapping[str, Verdict],
    persons: Mapping[MessageKey, Person],
    held: Mapping[MessageKey, Campaign],
    *,
    letters: Mapping[MessageKey, Content],
    personal: Personal,
) -> Job:
    """What a sender has to do for a message that goes."""
    verdict, person = verdicts[one.send_key], persons.get(one.key)
    return Job(
        claimed=one,
        address=verdict.address if isinstance(verdict, Send) else "",
        state=person.state if person is not None else None,
        campaign=held.get((one.workspace, one.campaign_id or "")),
        content=letters.get(one.key),
        language=personal.languages.get(one.key),
        coupon=personal.coupons.get(one.key),
        data=personal.data.get(one.key, {}),
    )
