"""What vendors post of messages: each a module with `refusal` (why a post is not believed) and
`told` (what it says). Both are pure: of the post and an instant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rapport_campaign.domain.vendors import (
    mailgun,
    postmark,
    sendgrid,
    ses,
    standard,
    twilio,
)
from rapport_campaign.domain.vendors.posts import Post, Secret, Told

Vendor = Literal["twilio", "ses", "sendgrid", "mailgun", "postmark", "standard"]


@dataclass(frozen=True, slots=True)
class Reader:
    """How posts of a vendor are read. `secret_is`: what of theirs the secret of a hook is."""

    refusal: Callable[[Post, Secret], str | None]
    told: Callable[[Post], list[Told]]
    secret_is: str


READERS: Mapping[Vendor, Reader] = {
    "twilio": Reader(twilio.refusal, twilio.told, "the account's auth token"),
    "ses": Reader(ses.refusal, ses.told, "nothing: `topic` is the topic's ARN"),
    "sendgrid": Reader(
        sendgrid.refusal, sendgrid.told, "the verification key of the signed event webhook"
    ),
    "mailgun": Reader(mailgun.refusal, mailgun.told, "the webhook signing key"),
    "postmark": Reader(
        postmark.refusal, postmark.told, "user:password, as in the webhook's address"
    ),
    "standard": Reader(standard.refusal, standard.told, "whsec_…; made here when left out"),
}
