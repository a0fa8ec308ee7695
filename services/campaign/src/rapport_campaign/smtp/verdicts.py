"""What an answer to each command means for the mail (RFC 5321 §4.2.5)."""

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.smtp.replies import Reply

# Answers to MAIL that are about this mail or its sender; the other 5xx are about us: not
# authenticated, out of sequence.
ABOUT_THE_MAIL = range(550, 560)
# Subjects of enhanced codes that are about it, too: an address, the content (RFC 3463 §3).
ADDRESS, CONTENT = 1, 6
# What is wrong with a command, and so with what it asks for.
ABOUT_PARAMETERS = (501, 504, 555)
# About the connection, never about a mail: the server begins anew, or ends.
GREETS, PARTS = 220, 221


def on_sender(reply: Reply, *, special: bool) -> Outcome:
    """What a refusal of MAIL means. `special`: it asked for what only this mail needs."""
    if reply.is_not_now:
        return Outcome("retry", str(reply))
    enhanced = reply.enhanced
    about = enhanced is not None and enhanced[0] in (ADDRESS, CONTENT)
    # Who offers 8BITMIME and does not know BODY would else stop all mails by one.
    if reply.code in ABOUT_THE_MAIL or about or (special and reply.code in ABOUT_PARAMETERS):
        return Outcome("failed", str(reply))
    return Outcome("released", str(reply))


def on_mail(reply: Reply) -> Outcome:
    """What a refusal of RCPT, of DATA, or of the whole mail means."""
    return Outcome("retry" if reply.is_not_now else "failed", str(reply))


def on_body(reply: Reply) -> Outcome:
    """What the last answer means; only what no server should say leaves anything open."""
    if reply.is_not_now or reply.is_no:
        return on_mail(reply)
    if reply.is_yes and reply.code not in (GREETS, PARTS):
        return Outcome("sent", None if reply.code == 250 else str(reply))  # noqa: PLR2004 - "done"
    return Outcome("uncertain", f"an odd answer to the mail: {reply}")
