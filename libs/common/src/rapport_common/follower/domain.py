"""What is held of profile ids, and what a record changes of it (pure).

Of each section the newest word counts, of each id the newest end: both are maxima, so the same
records leave the same behind in any order, however often they come.
"""

from collections.abc import Collection, Sequence

import msgspec

from rapport_common.events.activity import ProfileActivity

Key = tuple[str, str]
"""(workspace, profile id)."""

Versions = tuple[int, ...]
"""A version for each section that is followed, in their order; 0: none."""


class Held(msgspec.Struct, frozen=True, gc=False):
    """What is held of one id.

    `versions`: of the sections that are held. `ended`: the version of its newest end, which all
    sections up to there went with; `heir` is whom it was merged into, while it does not live again,
    and `into_version` that heir's version from which on what is told of it speaks for both.
    `lacks`: versions of sections that are known to have been told, and are not held; None if all
    are.
    """

    versions: Versions
    ended: int = 0
    heir: str | None = None
    into_version: int = 0
    lacks: Versions | None = None

    @property
    def version(self) -> int:
        """The newest that is known of the id: a section, or its end."""
        return max(self.ended, *self.versions)

    @property
    def lives(self) -> bool:
        """Whether something is held of it, so that it is somebody."""
        return any(self.versions)

    @property
    def known(self) -> bool:
        """Whether it is somebody, and all that was told is held."""
        return self.lives and self.lacks is None

    @property
    def is_plain(self) -> bool:
        """Whether it has never ended and all is held: known, by its sections' versions alone."""
        return self.ended == 0 and self.known


class End(msgspec.Struct, frozen=True, gc=False):
    """That an id is history from a version on; without an `heir` nobody has it any more."""

    key: Key
    version: int
    heir: str | None = None
    into_version: int = 0


class Step(msgspec.Struct, frozen=True):
    """What one record says of ids.

    `versions`: those that it speaks of; None when it speaks of no sections. `told`: which of the
    followed sections it tells, by their places. `ends`: of ids that are history by it.
    """

    key: Key
    version: int
    record: ProfileActivity
    versions: Versions | None = None
    told: tuple[int, ...] = ()
    ends: tuple[End, ...] = ()


class Overlaid(msgspec.Struct, frozen=True):
    """Sections of an id were taken in: those at the places `taken`."""

    key: Key
    before: Held
    after: Held
    taken: tuple[int, ...]


class Ended(msgspec.Struct, frozen=True):
    """An id has become history at `version`.

    `survivor`: who has its rows now, after all merges; None if nobody. `is_told`: whether what is
    held of the survivor speaks for both.
    """

    key: Key
    version: int
    survivor: Key | None = None
    is_told: bool = True


def overlay(
    held: Held, versions: Versions, told: Sequence[int], later: Collection[int] = ()
) -> Held:
    """What is held after a record that speaks of these versions and tells the sections at `told`.

    The same object if it brings nothing new. What is not newer than the id's end is of its former
    life. Of the sections at `later` none is missed before one has been held.
    """
    ended = held.ended
    spoken = tuple([one if one > ended else 0 for one in versions]) if ended else versions
    if later and not all(held.versions[place] for place in later):
        spoken = tuple(
            [
                one if place not in later or place in told or held.versions[place] else 0
                for place, one in enumerate(spoken)
            ]
        )
    after = held.versions
    if told:
        newest = list(after)
        for place in told:
            newest[place] = max(newest[place], spoken[place])
        after = tuple(newest)
    # Mostly all that a record speaks of is held with it: then nothing can be missing.
    is_whole = held.lacks is None and after == spoken
    lacks = None if is_whole else _lacks(after, spoken, held.lacks or ())
    if lacks == held.lacks and after == held.versions:
        return held
    if not any(after):
        return msgspec.structs.replace(held, lacks=lacks)
    return Held(after, ended, lacks=lacks)


def _lacks(held: Sequence[int], *told: Sequence[int]) -> Versions | None:
    """Of the versions that are told of, the newest of each section that are not held."""
    wanted = [0] * len(held)
    for versions in told:
        for place, version in enumerate(versions):
            if version > held[place] and version > wanted[place]:
                wanted[place] = version
    return tuple(wanted) if any(wanted) else None


def close(held: Held, end: End) -> Held:
    """What is held after an end; the same object if it is an old one.

    Of two ends at one version the merge is the newer word.
    """
    if (end.version, end.heir or "") < (held.ended, held.heir or ""):
        return held
    left = tuple(one if one > end.version else 0 for one in held.versions)
    lacks = _lacks(left, [one if one > end.version else 0 for one in held.lacks or ()])
    if any(left):
        after = Held(left, end.version, lacks=lacks)
    elif end.version == held.ended and end.heir == held.heir:
        into = min(end.into_version, held.into_version)
        after = Held(left, end.version, end.heir, into, lacks)
    else:
        after = Held(left, end.version, end.heir, end.into_version, lacks)
    return held if after == held else after


class Following:
    """The ids of some records in memory; `apply` takes the records one by one.

    `held` has every id that is to be followed: what is said of others is passed over; `later` are
    the places of sections that were not followed from the beginning. Afterwards
    `changed` are the keys to write, `news` tells by which record each of their sections was taken
    in, and `has_cleared` whether any has lost sections.
    """

    def __init__(self, held: dict[Key, Held], later: Collection[int] = ()) -> None:
        self.held = held
        self._later = later
        self._before = dict(held)
        self.changed: set[Key] = set()
        self.has_cleared = False
        self.news: dict[Key, dict[int, ProfileActivity]] = {}

    @property
    def newly_lacking(self) -> int:
        """Of how many ids it has come out that something was missed."""
        return sum(
            self._before[one].lacks is None and self.held[one].lacks is not None
            for one in self.changed
        )

    def apply(self, step: Step) -> list[Overlaid | Ended]:
        """Carry out one record; what has become of whom, in this order."""
        turns: list[Overlaid | Ended] = []
        for end in step.ends:
            turns += self._close(end)
        if step.versions is not None and step.key in self.held:
            turns += self._overlay(step, step.versions)
        return turns

    def _overlay(self, step: Step, versions: Versions) -> Sequence[Overlaid]:
        before = self.held[step.key]
        after = overlay(before, versions, step.told, self._later)
        if after is before:
            return ()
        self._keep(step.key, after)
        older, newer = before.versions, after.versions
        taken = tuple([one for one in step.told if newer[one] > older[one]])
        if not taken:
            return ()
        news = self.news.setdefault(step.key, {})
        for one in taken:
            news[one] = step.record
        return (Overlaid(step.key, before, after, taken),)

    def _close(self, end: End) -> Sequence[Ended]:
        before = self.held.get(end.key)
        if before is None or end.heir == end.key[1]:
            return ()
        after = close(before, end)
        if after is before:
            return ()
        self._keep(end.key, after)
        self.has_cleared |= after.versions != before.versions
        kept = self.news.pop(end.key, {})
        self.news[end.key] = {one: by for one, by in kept.items() if after.versions[one]}
        is_repeated = before.ended == after.ended and before.heir == after.heir
        if after.lives or is_repeated:
            return ()
        if after.heir is None:
            return (Ended(end.key, end.version),)
        heir = (end.key[0], after.heir)
        way = self._way(heir, after.into_version)
        if way is None:
            return (Ended(end.key, end.version),)
        survivor, into_version = way
        if survivor == end.key:
            if into_version > end.version:
                return ()  # around and into a later life of its own, which is yet to be told
            # Which had been merged into this one: the newer word holds.
            survivor, into_version = heir, after.into_version
        held = self.held.get(survivor)
        is_told = held is None or held.version >= into_version
        return (Ended(end.key, end.version, survivor, is_told),)

    def _way(self, key: Key, into_version: int) -> tuple[Key, int] | None:
        """Whom the way from heir to heir leads to, and into which version of it.

        None if whoever it led to is gone. The end of an id is of a life before, if something went
        into a later version of it: so the way may come by an id twice. In a circle (where not all
        these versions are known), once around.
        """
        passed = {(key, into_version)}
        while (one := self.held.get(key)) is not None and not one.lives:
            if one.ended == 0 or one.ended < into_version:
                break  # what it is now is yet to be told
            if one.heir is None:
                return None
            following = ((key[0], one.heir), one.into_version)
            if following in passed:
                break
            passed.add(following)
            key, into_version = following
        return key, into_version

    def _keep(self, key: Key, after: Held) -> None:
        self.held[key] = after
        self.changed.add(key)
