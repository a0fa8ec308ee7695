"""A crowd's events on their way through a workspace with a segment and a campaign on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.support.crowd import RULE, Crowd
from tests.support.replay import BEFORE, Replay
from tests.support.waiting import until
from tests.support.workspace import Workspace

PEOPLE = 350


@dataclass
class Traffic:
    """The crowd, and what was set up for it."""

    workspace: Workspace
    crowd: Crowd
    segment: str
    campaign: str

    @classmethod
    def prepared(cls, workspace: Workspace, people: int = PEOPLE, seed: int = 1) -> Self:
        """Set up segment and campaign; the same seed is the same crowd."""
        segment = workspace.segment("Big spenders", RULE)
        campaign = workspace.campaign(segment)
        return cls(workspace, Crowd.of(people, seed), segment, campaign)

    def replay(self, before: Sequence[float] = BEFORE) -> Replay:
        """Return the client that sends it; a fault is awaited after each share in `before`."""
        url = self.workspace.stack.url("ingest")
        return Replay(url, self.workspace.write_key, self.crowd, before)

    def wait_mail(self) -> None:
        """Wait until all five services are at it: the first mail is out."""
        until("mail", self.workspace.mails)
