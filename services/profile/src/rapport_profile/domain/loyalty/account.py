"""Points in lots: earned, spent oldest expiry first, expired, taken back; and what is owed.

A lot never has less than nothing: what is taken back of it after it was spent is moved to other
lots, and where there are none it is owed. What comes next pays that first. Of those who have
spent of a lot the last one gives back first, and the first is paid first: ids go by time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.programme import Expiry
from rapport_profile.domain.naming import Id

Order = tuple[datetime, datetime, str]
"""When a lot expires, when it was earned, and its key."""


@dataclass(slots=True)
class Lot:
    """Points that were earned together, and what became of them.

    `free`: neither spent nor reserved nor expired; they can be spent while `is_open`. `held`: by
    the id of what has spent or reserved them. `policy`: by which they expire; `zone` is the
    programme's. `cohort`: with which it expires, by its place; of one that has not expired yet
    `expires_at` is that of the cohort, and only told by `Account.date_lots`.
    """

    key: str
    anchor: Id
    at: datetime
    opens_at: datetime
    expires_at: datetime | None = None
    looked_at: datetime | None = None
    """When it is looked at next whether it has expired."""
    policy: Expiry | None = None
    zone: str = "UTC"
    cohort: int | None = None
    is_adjusted: bool = False
    is_open: bool = False
    is_closed: bool = False
    earned: int = 0
    reversed: int = 0
    expired: int = 0
    free: int = 0
    held: dict[str, int] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """What it gives, by all that is known."""
        return self.earned - self.reversed

    @property
    def order(self) -> Order:
        """Which is spent first: the one that expires first, then the oldest."""
        return (self.expires_at or FAR, self.at, self.key)


@dataclass(slots=True)
class Cohort:
    """Lots that expire by inactivity, at one instant: by a sign of life all have their time anew.

    So this is dated, and not each of them. `expires_at` None: its lots are spared for now. `free`:
    what its lots have together that is neither spent nor expired, those that are loaded apart.
    When its time is over there is another one for what comes later.
    """

    policy: Expiry
    zone: str
    expires_at: datetime | None = None
    free: int = 0
    is_over: bool = False

    def expires_by(self, moment: datetime) -> bool:
        """Whether its lots expire up to a moment, by what is known."""
        return self.expires_at is not None and self.expires_at <= moment


class MissingError(Exception):
    """It depends on lots that are stored and were not loaded: load all, and begin again."""


class Rest(NamedTuple):
    """What stored lots that were not loaded amount to, all of them together.

    `free`: what can be spent of them, of which `first` (see `Lot.order`) comes first; `pending`:
    what opens later, first at `opens_at`. `expires_at`: when any of it first expires, and how
    much (`expiring`) does then. What is in cohorts is not among these two, nor is its first: that
    is in `firsts`, by the cohort's place, as (when it was earned, key).
    """

    free: int = 0
    pending: int = 0
    first: Order | None = None
    firsts: Mapping[int, tuple[datetime, str]] = {}
    opens_at: datetime | None = None
    expires_at: datetime | None = None
    expiring: int = 0


class Account:
    """The lots of one member, and what is owed, by the id of what has spent it.

    `rest`: other lots there are; None: these are all. `cohorts`: of lots that expire by inactivity,
    but for those that are `apart`, since there was no sign of life since they came. `spared`: there
    has been another one whose expiry depends on the tier. `spenders`: those that hold points of no
    other lots than these.
    """

    def __init__(self) -> None:
        self.lots: dict[str, Lot] = {}
        self.debts: dict[str, int] = {}
        self.rest: Rest | None = None
        self.cohorts: list[Cohort] = []
        self.apart: dict[str, Lot] = {}
        self.spared = False
        self.spenders: set[str] = set()
        self._free: dict[str, Lot] = {}
        self._holders: dict[str, dict[str, Lot]] = {}

    def add(self, lot: Lot) -> Lot:
        """A new lot, without points yet."""
        if lot.policy is not None and lot.policy.inactive:
            self.apart[lot.key] = lot
        elif lot.policy is not None:
            self.spared |= bool(lot.policy.spared)
        return self.lots.setdefault(lot.key, lot)

    def load(self, lot: Lot) -> None:
        """A lot as it was stored."""
        self.lots[lot.key] = lot
        if lot.policy is not None and lot.policy.inactive and lot.cohort is None:
            self.apart[lot.key] = lot
        for spender in lot.held:
            self._holders.setdefault(spender, {})[lot.key] = lot
        self._note(lot)

    def unclosed(self) -> list[Lot]:
        """Lots that have not expired."""
        self.require_all()
        return [one for one in self.lots.values() if not one.is_closed]

    def cohort_of(self, policy: Expiry, zone: str) -> int:
        """The place of the cohort of lots that expire like this; a new one if need be."""
        for place, cohort in enumerate(self.cohorts):
            if (cohort.policy, cohort.zone) == (policy, zone) and not cohort.is_over:
                return place
        self.cohorts.append(Cohort(policy, zone))
        return len(self.cohorts) - 1

    def leave_apart(self) -> list[tuple[Lot, Expiry]]:
        """The lots that are in no cohort and should be, by which policy; they are taken for it."""
        lots = self.apart.values()
        found = [(one, one.policy) for one in lots if one.policy is not None and not one.is_closed]
        self.apart.clear()
        return found

    def close_cohort(self, place: int, at: datetime) -> None:
        """The lots of a cohort expire."""
        if self.rest is not None and self.cohorts[place].free:
            raise MissingError
        self.cohorts[place].is_over = True
        for lot in self.lots.values():
            if lot.cohort == place and not lot.is_closed:
                lot.expires_at = at
                self.close(lot)

    def order_of(self, lot: Lot) -> Order:
        """Which is spent first, by when it expires as of now."""
        return (self._ends(lot) or FAR, lot.at, lot.key)

    def date_lots(self) -> None:
        """Let each lot say when it expires."""
        for lot in self.lots.values():
            lot.expires_at = self._ends(lot)

    def _ends(self, lot: Lot) -> datetime | None:
        if lot.cohort is None or lot.is_closed:
            return lot.expires_at
        return self.cohorts[lot.cohort].expires_at

    def first_of_rest(self) -> Order | None:
        """Of the lots that were not loaded, which is spent first."""
        if self.rest is None:
            return None
        found = [] if self.rest.first is None else [self.rest.first]
        for place, (at, key) in self.rest.firsts.items():
            found.append((self.cohorts[place].expires_at or FAR, at, key))
        return min(found, default=None)

    def require_all(self) -> None:
        """MissingError where some lots were not loaded."""
        if self.rest is not None:
            raise MissingError

    def credit(self, lot: Lot, points: int) -> None:
        """Points come into a lot; those of one that has expired do so at once."""
        lot.earned += points
        self._give(lot, points)

    def reduce(self, lot: Lot, points: int) -> None:
        """Points of a lot are taken back: free ones first, at last those that were spent."""
        lot.reversed += points
        taken = min(points, lot.free)
        lot.free -= taken
        expired = min(points - taken, lot.expired)
        lot.expired -= expired
        self._note(lot)
        missing = points - taken - expired
        for spender in sorted(lot.held, reverse=True):
            if not missing:
                break
            moved = min(missing, lot.held[spender])
            missing -= moved
            self._let_go(lot, spender, moved)
            self.spend(spender, moved, {})

    def spend(self, spender: str, points: int, preferred: Mapping[str, int]) -> None:
        """Take points from the lots that are `preferred`, then from others, then owe them."""
        left = points
        for key, wanted in preferred.items():
            if key not in self.lots:
                self.require_all()
            lot = self._free.get(key)
            if lot is not None:
                left -= self._hold(lot, spender, min(left, wanted))
        first = self.first_of_rest()
        for lot in self.in_order() if left else ():
            if not left or (first is not None and self.order_of(lot) > first):
                break
            left -= self._hold(lot, spender, left)
        if left and first is not None:
            raise MissingError
        if left:
            self.debts[spender] = self.debts.get(spender, 0) + left

    def release(self, spender: str) -> None:
        """What was spent or reserved goes back to the lots that it is from."""
        if spender not in self.spenders:
            self.require_all()
        self.debts.pop(spender, None)
        held = self._holders.pop(spender, {}).values()
        for lot in sorted(held, key=self.order_of):
            points = lot.held.pop(spender)
            self._give(lot, points)

    def held_by(self, spender: str) -> list[str]:
        """The lots of which somebody holds points."""
        return sorted(self._holders.get(spender, ()))

    def open(self, lot: Lot) -> None:
        """Points of a lot can be spent from now on, and pay what is owed."""
        lot.is_open = True
        self._pay(lot)

    def close(self, lot: Lot) -> None:
        """A lot expires, but for what is spent or reserved of it."""
        lot.is_closed = True
        lot.expired += lot.free
        lot.free = 0
        self._note(lot)

    def in_order(self) -> list[Lot]:
        """The lots of which something can be spent, in the order in which it is."""
        return sorted(self._free.values(), key=self.order_of)

    def _give(self, lot: Lot, points: int) -> None:
        if lot.is_closed:
            lot.expired += points
            return
        lot.free += points
        self._pay(lot)

    def _pay(self, lot: Lot) -> None:
        if lot.is_open:
            for spender in sorted(self.debts):
                self.debts[spender] -= self._hold(lot, spender, self.debts[spender])
                if not self.debts[spender]:
                    del self.debts[spender]
        self._note(lot)

    def _hold(self, lot: Lot, spender: str, points: int) -> int:
        held = min(points, lot.free)
        if held:
            lot.free -= held
            lot.held[spender] = lot.held.get(spender, 0) + held
            self._holders.setdefault(spender, {})[lot.key] = lot
            self._note(lot)
        return held

    def _note(self, lot: Lot) -> None:
        if lot.is_open and lot.free:
            self._free[lot.key] = lot
        else:
            self._free.pop(lot.key, None)

    def _let_go(self, lot: Lot, spender: str, points: int) -> None:
        lot.held[spender] -= points
        if not lot.held[spender]:
            del lot.held[spender]
            self._holders.get(spender, {}).pop(lot.key, None)
