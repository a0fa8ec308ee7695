"""What people are written who are asked: mails with the scores in them, and short texts."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rapport_common.events.message import MessageRequest
from rapport_common.pages.brand import Brand
from rapport_feedback import pages
from rapport_feedback.domain.askings import Asking, Occasion, State
from rapport_feedback.domain.survey_forms import Form

MAX_QUESTION = 100
"""Characters of the question in a text message."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One invitation or reminder: to whom, by what, in which language, with which link."""

    asking: Asking
    occasion: Occasion
    form: Form
    brand: Brand | None
    language: str
    to: str
    url: str


def request_of(one: Letter, now: datetime) -> MessageRequest:
    """The record that asks campaign for it; repeated it is the same request."""
    occasion, told = one.occasion, one.asking.document
    mail = pages.invitation(
        one.form,
        language=one.language,
        subject=told.subject,
        intro=told.intro,
        is_reminder=occasion.state is State.REMINDED,
        brand=one.brand,
    )
    by_mail = occasion.channel == "email"
    digest = hashlib.sha256(occasion.occasion.encode()).hexdigest()[:24]
    return MessageRequest(
        workspace=one.asking.workspace,
        request_id=f"asking-{one.asking.asking_id}-{digest}-{occasion.reminders}",
        profile_id=occasion.profile_id,
        to=one.to,
        subject=mail.subject,
        html=mail.html if by_mail else "",
        text=mail.text if by_mail else _short(mail.subject, one.brand),
        requested_at=now,
        data=msgspec.Raw(msgspec.json.encode({"url": one.url})),
        purpose="survey",
        channel="email" if by_mail else "sms",
    )


def _short(question: str, brand: Brand | None) -> str:
    """A text message: who asks what, and where to answer."""
    name = brand.name.replace("{", "(") if brand is not None and brand.name else ""
    cut = question if len(question) <= MAX_QUESTION else f"{question[: MAX_QUESTION - 1]}…"
    return f"{name}: {cut} {{{{ data.url }}}}" if name else f"{cut} {{{{ data.url }}}}"
