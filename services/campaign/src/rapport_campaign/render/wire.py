"""What a renderer's process is asked and answers.

Requests are JSON, answers MessagePack, each behind its length in four bytes.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from rapport_campaign.domain.model import Campaign, Claimed, Content, State
from rapport_campaign.render.authoring import Draft, Made, Piecework
from rapport_campaign.render.compose import Mail
from rapport_campaign.render.preview import Sight, View
from rapport_campaign.render.saying import Spoken
from rapport_campaign.render.templates import Problem

LENGTH = 4
EPOCH = datetime.fromtimestamp(0, UTC)


class Source(msgspec.Struct, frozen=True):
    """A template to be checked."""

    text: str
    html: bool
    of_request: bool = False
    amp: bool = False


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job without its campaign, which many jobs of a batch share."""

    claimed: Claimed
    address: str
    state: State | None
    campaign: int | None
    content: Content | None
    language: str | None = None
    coupon: str | None = None
    data: dict[str, Any] = {}


class Batch(msgspec.Struct, frozen=True):
    """What a renderer is asked, one kind of thing at a time: to make mails, to look at templates,
    to make templates of what authors write, or to show them.
    """

    seconds: float
    now: datetime = EPOCH
    one_by_one: bool = False
    campaigns: list[Campaign] = []
    tasks: list[Task] = []
    check: list[Source] = []
    drafts: list[Draft] = []
    snippets: list[Piecework] = []
    views: list[View] = []

    @property
    def asked(self) -> list[Any]:
        """All of it, in its order."""
        return [*self.tasks, *self.check, *self.drafts, *self.snippets, *self.views]


class Answered(msgspec.Struct, frozen=True):
    """What comes back for one job or template."""

    mail: Mail | None = None
    said: Spoken | None = None
    problems: list[Problem] = []
    made: Made | None = None
    sight: Sight | None = None
    refused: str | None = None


ANSWERS = msgspec.msgpack.Decoder(list[Answered])
