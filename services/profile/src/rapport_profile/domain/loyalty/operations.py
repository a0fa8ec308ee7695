"""What is done with a member's points by requests: spent, given, taken; who joins and leaves."""

from datetime import datetime
from typing import Literal

import msgspec

from rapport_profile.domain.naming import Id

Kind = Literal["redeem", "adjust", "enrol", "leave"]
State = Literal["reserved", "confirmed", "cancelled", "expired", "reversed", "done"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, as it is stored.

    `anchor`: the identifier that it hangs on. `points`: how many are spent, or (`adjust`) given
    or, below nothing, taken. `lots`: from which they were taken when that was asked for. A
    reservation ends `until`, unless it has been confirmed; `released_at`: it was cancelled, or
    the redemption reversed.
    """

    id: str
    anchor: Id
    kind: Kind
    at: datetime
    points: int = 0
    lots: dict[str, int] = {}
    until: datetime | None = None
    confirmed_at: datetime | None = None
    released_at: datetime | None = None
    expires_at: datetime | None = None
    """Of points that an operator gives: instead of by the programme."""

    def released(self) -> datetime | None:
        """When its points go back, as far as that is known now."""
        if self.released_at is not None or self.confirmed_at is not None:
            return self.released_at
        return self.until

    def state(self, now: datetime) -> State:
        """What has become of it."""
        if self.kind != "redeem":
            return "done"
        if self.confirmed_at is not None:
            return "confirmed" if self.released_at is None else "reversed"
        if self.released_at is not None:
            return "cancelled"
        return "expired" if self.until is not None and self.until <= now else "reserved"
