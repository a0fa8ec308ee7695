"""The record on `consent.needs`: for which purposes a workspace's rules want an explicit yes."""

from datetime import datetime

import msgspec


class ConsentNeeds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one version of a workspace's consent rules asks for; the highest version holds.

    `purposes` (in normal form): a yes to these needs a double opt-in or its wording, or rests on
    consent by law; so who has said nothing has given none. `at` is when the version was made (UTC).
    """

    workspace: str
    version: int
    purposes: list[str]
    at: datetime
