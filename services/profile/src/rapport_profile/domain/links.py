"""Links as they are held in memory."""

import msgspec

from rapport_profile.domain.naming import Evidence, LinkKey


class Link(msgspec.Struct):
    """A link fact with its earliest evidence. `void`: an alias whose former id is a user id.

    `corrected`: the evidence is a later one than what is stored, whose event has been taken back.
    """

    key: LinkKey
    workspace: str
    evidence: Evidence
    void: bool = False
    corrected: bool = False
