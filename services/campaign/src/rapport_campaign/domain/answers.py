"""What an answer to the handing over says of an address, beside the message that is refused."""

import re

from rapport_campaign.domain import bounces
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.outcomes import Report, one_line
from rapport_common.events.contact import EMAIL_CHANNEL

_MARK = "refused"
_OF_US = re.compile(
    r"sender|mail from|return.?path|your (?:domain|address|ip)|client", re.IGNORECASE
)
"""Words of who refuses us: then nothing is said of who should have got it."""


def answer_of(outcome: Outcome, channel: str) -> Report | None:
    """What is known of an address now, if an attempt that has failed for good says so.

    That it is unsuitable may be by the sender's number: another one may reach it.
    """
    if outcome.result != "failed":
        return None
    said = one_line(outcome.reason or "")
    code = bounces.status_in(said)
    if outcome.contact == "opted_out":
        return Report("complained", _MARK, code=code, text=said)
    if outcome.contact == "dead":
        return Report("bounced", _MARK, "hard", code, said)
    is_dead = channel == EMAIL_CHANNEL and bounces.is_status(code) and not _OF_US.search(said)
    if is_dead and bounces.grade(code, said) == "hard":
        return Report("bounced", _MARK, "hard", code, said)
    return None
