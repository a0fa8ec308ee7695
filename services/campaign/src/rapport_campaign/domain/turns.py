"""Whose mails are next: workspaces take turns, whatever each of them has to send."""

from dataclasses import dataclass, replace

from rapport_campaign.domain.model import Kind


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the next claim begins. What it does not fill is filled from those that follow.

    Express messages (requests and test sends) and mails of campaigns go first by turns, so neither
    waits for all of the other. Among each, the workspaces go round in the order of their names,
    beginning behind the one that was first the last time.
    """

    express_first: bool = True
    express_after: str = ""
    campaigns_after: str = ""

    def followed_by(self, workspace: str, kind: Kind) -> "Turn":
        """The turn after one whose first message was of this workspace and kind."""
        if kind == "entry":
            return replace(self, express_first=True, campaigns_after=workspace)
        return replace(self, express_first=False, express_after=workspace)
