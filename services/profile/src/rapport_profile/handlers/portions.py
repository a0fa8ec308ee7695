"""Who is meant by a wish or a request, in portions that a record has room for.

Most people are one. Who is more has the others made page by page: from the first one on events of
theirs wait (`refusing.py`), so nobody sees half a person.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common import clock
from rapport_common.access.store import AccessStore
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.events.topics import PRIVACY
from rapport_common.ids import uuid7_text
from rapport_common.privacy.subject import Subject
from rapport_common.privacy.sweeps import Page, Sweep
from rapport_common.publisher import Publisher
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.refusing import all_digits
from rapport_profile.store import access_requests
from rapport_profile.store import portions as store
from rapport_profile.store import privacy as wishes
from rapport_profile.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class Room:
    """How much is in one portion: a record on Kafka has room for some more."""

    identifiers: int = 10_000
    profiles: int = 5_000


Place = tuple[Id, int]
"""Where the next portion begins: behind this identifier, and so many profile ids."""
START: Place = ("", 0)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is meant: identifiers' ids with their kinds, and profile ids with their versions.

    Of who has more than one portion has room for, `rest` is where the next one begins.
    """

    profile_id: Id | None
    identifiers: Mapping[Id, str]
    profiles: Mapping[Id, int]
    rest: Place | None = None

    def subject(self, workspace: str, request: str) -> Subject:
        """The same as it is told to services."""
        return Subject(
            workspace=workspace,
            request_id=request,
            profile_id=self.profile_id or request,
            subjects=all_digits(self.identifiers),
            kinds=frozenset(self.identifiers.values()),
            profiles=frozenset(self.profiles),
            at=clock.now(),
        )


async def portion(
    tx: AsyncConnection, workspace: str, profile_id: Id, place: Place, room: Room
) -> Person:
    """The portion of a person that begins at a place."""
    after, done = place
    members = await wishes.members(tx, workspace, profile_id, after, room.identifiers)
    # The id of now comes first: by it all are told apart.
    former = await wishes.former(tx, workspace, profile_id)
    ordered = sorted(former, key=lambda one: (one != profile_id, one))
    some = {one: former[one] for one in ordered[done : done + room.profiles]}
    done += len(some)
    is_all = len(members) < room.identifiers and done == len(former)
    last = members[-1].id if members else after
    known = {row.id: row.kind for row in members}
    return Person(profile_id, known, some, None if is_all else (last, done))


async def further(
    tx: AsyncConnection, workspace: str, person: Person, room: Room
) -> AsyncIterator[Person]:
    """The portions behind the first one, one at a time."""
    while person.rest is not None and person.profile_id is not None:
        person = await portion(tx, workspace, person.profile_id, person.rest, room)
        if person.identifiers or person.profiles:
            yield person


def erase_record(who: Subject, versions: Mapping[Id, int]) -> PrivacyRecord:
    """What tells all services of a portion; `versions`: at which the profile ids are."""
    return PrivacyRecord(
        workspace=who.workspace,
        request_id=who.request_id,
        kind="erase",
        profile_id=who.profile_id,
        subjects=sorted(who.subjects),
        at=who.at,
        kinds=sorted(who.kinds),
        # The id ends with the next version; what is told of it up to then is history.
        profiles=[
            EndedProfile(profile_id=one, version=version + 1)
            for one, version in sorted(versions.items())
        ],
    )


ACCESS = AccessStore(SCHEMA)
PUBLISHER = Publisher(SCHEMA, PRIVACY)


async def wish(tx: AsyncConnection, who: Subject, person: Person) -> None:
    """Let a portion of a wish hold, here and for all services."""
    await wishes.PRIVACY.add(tx, who)
    await ACCESS.drop(tx, who.workspace, who.subjects | who.profiles)
    await access_requests.forget(tx, who.workspace, who.subjects)
    await PUBLISHER.tell(tx, erase_record(who, person.profiles))


class Portions(Sweep):
    """Makes the portions of a wish that come behind the first."""

    table = "profile.privacy_portion"

    def __init__(self, room: Room) -> None:
        self._room = room

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        """Make the next one; nothing is removed."""
        if await store.role(tx, who.workspace, who.request_id) != "first":
            return Page()
        place = (_id(max(who.subjects, default="")), len(who.profiles))
        if after is not None:
            last, done = json.loads(after)
            place = (str(last), int(done))
        person = await portion(tx, who.workspace, who.profile_id, place, self._room)
        if person.identifiers or person.profiles:
            id_ = uuid7_text()
            await store.add(tx, who.workspace, who.request_id, id_)
            await wish(tx, replace(person.subject(who.workspace, id_), at=who.at), person)
        return Page(after=None if person.rest is None else json.dumps(person.rest))

    @override
    async def count(self, _tx: AsyncConnection, _who: Subject) -> int | None:
        """Nothing of it is removed."""
        return 0


def _id(digits: str) -> Id:
    places = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(places) if digits else ""
