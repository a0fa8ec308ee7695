"""In one sentence: why somebody got a message, does not get it, or waits for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rapport_campaign.domain import permission
from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.model import MessageState


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger has of a message: `reason` is what it was last held back for."""

    state: MessageState
    reason: str | None
    facts: Facts | None
    attempt: int
    planned_at: datetime
    due_at: datetime | None
    """None of what has ended, and of what waits for others."""
    sent_at: datetime | None


def sentence(told: Told) -> str:
    """The whole answer."""
    if told.state == "sent":
        at = told.sent_at or told.planned_at
        tries = "" if told.attempt <= 1 else f", at attempt {told.attempt}"
        return f"It was sent on {_time(at)}{tries}."
    why = _why(told)
    if told.state == "suppressed":
        return f"It was not sent: {why}."
    if told.state == "planned":
        if told.due_at is None:
            return f"It waits: {why}."
        when = f"it is looked at again on {_time(told.due_at)}"
        return f"It waits: {why}; {when}." if told.reason else f"It is planned; {when}."
    if told.state == "sending":
        return "It is being sent: the mail server has not answered yet."
    if told.state == "uncertain":
        return f"Nobody knows whether it was sent, and it is not sent again: {why}."
    return f"It could not be sent: {why}."


def _why(told: Told) -> str:
    reason = told.reason or "no reason was kept"
    if told.facts is None:
        return _PLAIN.get(reason, reason)
    made = _WITH_FACTS.get(reason)
    return made(told.facts) if made is not None else _PLAIN.get(reason, reason)


def _capped(facts: Facts) -> str:
    more = facts.more
    at_most, period = more.get("at_most", "?"), more.get("period", "?")
    when = "" if facts.next_at is None else f", next possible on {_time(facts.next_at)}"
    used = f"{at_most} of {at_most}"
    within = period if str(period).startswith("this") else f"in {period}"
    return f"frequency cap \u201c{facts.rule}\u201d: {used} {within}{when}"


def _quiet(facts: Facts) -> str:
    whose = "the campaign's" if facts.more.get("of_campaign") else "the workspace's"
    until = "" if facts.next_at is None else f" until {_time(facts.next_at)}"
    zone = facts.more.get("zone", "UTC")
    refused = " (their own time zone is none of IANA's list)" if _has_bad_zone(facts) else ""
    return f"{whose} quiet hours{until}, by the clock of {zone}{refused}"


def _has_bad_zone(facts: Facts) -> bool:
    return bool(facts.more.get("zone_refused"))


def _listed(facts: Facts) -> str:
    about = "everything" if facts.more.get("purpose") == "all" else "promotions"
    since = str(facts.more.get("listed_at", ""))[:10]
    return f"the address is on the suppression list, for {about}, since {since}"


def _unwanted(facts: Facts) -> str:
    return f"somebody at the address has said no to the topic \u201c{facts.rule}\u201d"


def _same_address(_facts: Facts) -> str:
    return "somebody else with the same address has got the campaign"


def _detractor(facts: Facts) -> str:
    return f"their last answer was {facts.more.get('n')} (computed trait \u201c{facts.rule}\u201d)"


def _gives_way(facts: Facts) -> str:
    priority = facts.more.get("priority")
    return (
        f"frequency cap \u201c{facts.rule}\u201d leaves room for one of several, and a campaign of "
        f"priority {priority} goes first"
    )


_WITH_FACTS: dict[str, Callable[[Facts], str]] = {
    permission.CAPPED: _capped,
    permission.QUIET: _quiet,
    permission.LISTED: _listed,
    permission.UNWANTED: _unwanted,
    permission.SAME_ADDRESS: _same_address,
    permission.DETRACTOR: _detractor,
    permission.GIVES_WAY: _gives_way,
}
_PLAIN: dict[str, str] = {
    permission.NO_ADDRESS: "no e-mail address is known of them",
    permission.NO_CONSENT: "they have not agreed to promotions at any of their addresses",
    permission.EXPIRED: "the time of their consent is over",
    permission.OPEN_COMPLAINT: "a complaint of theirs is open",
    permission.SUPPRESSED: "they have unsubscribed",
    permission.UNCONFIRMED: "their consent is not confirmed",
    permission.NO_WORDING: "their consent does not say to which wording",
    permission.GONE: "their profile is gone",
    permission.UNKNOWN: "their profile has not been told of",
    permission.UNVERIFIED: "no trusted source says that the address is theirs",
    permission.RESTRICTED: "their data may not be processed",
    permission.OBJECTED: "they object to marketing",
}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
