"""People in memory, as records tell of them: what a handler does, without a database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from rapport_common.events.activity import SECTIONS, ContactPoint, ProfileActivity, SectionVersions
from rapport_common.events.profile import ComputedState, ProfileState
from rapport_common.follower.domain import Held, Key
from rapport_common.testing.profiles import happened, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.happenings import Kept
from rapport_segment.domain.membership import Change, Person
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.sections import (
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    IDENTIFIERS,
    RESTRAINTS,
    TRAITS,
    Facts,
    Section,
)
from rapport_segment.domain.stays import Stays
from rapport_segment.domain.tree import Rule
from rapport_segment.handlers.activity import applied
from rapport_segment.store.people import FOLLOWER

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = Held((0,) * len(FOLLOWER.followed.sections))


def predicate(rule: Rule, now: datetime = NOON) -> Callable[[Facts], bool]:
    """Whether a rule holds at an instant."""
    judge = Judges().of(rule)
    return lambda facts: judge(View(facts, now))[0]


def told(state: ProfileState) -> Facts:
    """The facts of a state, as a record tells them."""
    return Facts(
        [
            Section(IDENTIFIERS, state.identifiers),
            Section(TRAITS, state.traits),
            Section(COMPUTED, state.computed),
            Section(RESTRAINTS, []),
            Section(
                CONTACT_POINTS,
                [
                    ContactPoint(channel=one.channel, value=one.value, verified=one.verified)
                    for one in state.contact_points or ()
                ],
            ),
            Section(CONSENT, state.consent),
        ],
        "00000000-0000-0000-0000-000000000001",
    )


def with_traits(traits: dict[str, Any]) -> Facts:
    """Facts with these very values as traits."""
    facts = told(ProfileState(identifiers=[], traits=msgspec.Raw(b"{}"), computed=ComputedState()))
    facts.__dict__["traits"] = traits
    return facts


def kept(facts: Facts) -> list[str]:
    """What is kept of facts, by section."""
    return [one.text for one in facts.sections]


def values(facts: Facts) -> list[dict[str, Any]]:
    """What rules read, by section."""
    return [one.value for one in facts.sections]


def state(
    who: UUID, version: int, orders: int = 0, usd: str = "0", *, event: bool = True
) -> ProfileActivity:
    """A record that tells all sections."""
    return ProfileActivity(
        workspace="acme",
        profile_id=str(who),
        version=version,
        event=happened("acme", 0, NOON) if event else None,
        versions=SectionVersions(*[version] * len(SECTIONS)),
        **sections([("user_id", "u")], orders=orders, revenue={"USD": usd}),
    )


def gone(who: UUID, version: int, into: UUID | None, *, into_version: int = 0) -> ProfileActivity:
    """The end of an id."""
    return ProfileActivity(
        workspace="acme",
        profile_id=str(who),
        version=version,
        merged_into=str(into) if into else None,
        into_version=into_version,
        gone=into is None,
    )


def key_of(who: UUID) -> Key:
    """Its key."""
    return ("acme", str(who))


class People:
    """Some people, and what is held of them."""

    def __init__(
        self,
        definitions: Sequence[Definition],
        people: dict[Key, Person],
        held: dict[Key, Held] | None = None,
        now: datetime = NOON,
        kept: Kept | None = None,
    ) -> None:
        self.stays = Stays({"acme": Rulebook(definitions)}, people, now, kept)
        self.following = FOLLOWER.following(held or dict.fromkeys(people, NOTHING))

    def apply(self, *records: ProfileActivity) -> list[Change]:
        """Take records in; what comes of it."""
        changes = []
        for index, one in enumerate(records):
            for step, _record in FOLLOWER.read([record(one)]):
                changes += applied(index, step, self.following, self.stays)
        return changes

    @property
    def heirs(self) -> dict[Key, str]:
        """Of those that are merged away: into whom."""
        return {key: one.heir for key, one in self.following.held.items() if one.heir}

    def shown(self) -> dict[Key, Any]:
        """Everybody, comparable."""
        return {
            key: (msgspec.structs.replace(one, facts=None), values(one.facts))
            for key, one in self.stays.people.items()
        }


def record(value: ProfileActivity) -> Any:
    """As a consumer hands it on, as far as is looked at."""
    from rapport_common.kafka.batch import Record  # noqa: PLC0415 - its name is taken here

    return Record("profile.activity", 0, 0, b"", value)


def step(
    person: Person, value: ProfileActivity, definitions: Sequence[Definition], now: datetime
) -> tuple[Person, list[Change]]:
    """One person after one record."""
    key = key_of(person.profile_id)
    held = {key: Held(person.versions or NOTHING.versions)}
    people = People(definitions, {key: person}, held, now)
    changes = people.apply(value)
    return people.stays.people[key], changes
