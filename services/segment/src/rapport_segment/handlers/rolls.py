"""What is on lists, and scores, for those who are judged by rules that ask for some."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Identifier
from rapport_common.follower.domain import Key, Step
from rapport_segment.domain.membership import Person
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.domain.sections import IDENTIFIERS, Facts, identifiers_told
from rapport_segment.store import lists, scores


async def with_rolls(
    tx: AsyncConnection,
    people: Mapping[Key, Person],
    in_force: Mapping[str, Rulebook],
    steps: Iterable[Step] = (),
) -> dict[Key, Person]:
    """People with what is on lists of theirs, of the identifiers that are read or that steps tell.

    Who puts something on a list waits for who judges, and the reverse: nothing changes meanwhile.
    """
    found = await _with_scores(tx, people, in_force)
    for workspace, rules in in_force.items():
        if not rules.lists:
            continue
        told = [step for step in steps if step.key[0] == workspace and IDENTIFIERS in step.told]
        theirs = {key: one for key, one in people.items() if key[0] == workspace}
        asked = _read(theirs.values())
        asked.update(*(_flat(identifiers_told(one.record.identifiers or ())) for one in told))
        roll = await lists.roll(tx, workspace, rules.lists, sorted(asked))
        for key in theirs:
            one = found[key]
            found[key] = replace(one, facts=one.facts.listed(roll))
    return found


async def _with_scores(
    tx: AsyncConnection, people: Mapping[Key, Person], in_force: Mapping[str, Rulebook]
) -> dict[Key, Person]:
    found = dict(people)
    asking = {workspace for workspace, rules in in_force.items() if rules.asks_scores}
    asked = [key for key in people if key[0] in asking]
    if asked:
        for key, told in (await scores.of_people(tx, sorted(asked))).items():
            found[key] = replace(found[key], facts=_copied(found[key]).scored(told))
    return found


def _copied(one: Person) -> Facts:
    """Their facts, as an object of its own: some are shared."""
    return one.facts.overlaid({})


async def on_lists(
    tx: AsyncConnection, workspace: str, rules: Rulebook, some: Sequence[Person]
) -> list[Person]:
    """These people of one workspace, with what is on lists of theirs."""
    by_key = {(one.workspace, str(one.profile_id)): one for one in some}
    return list((await with_rolls(tx, by_key, {workspace: rules})).values())


async def with_lists(tx: AsyncConnection, person: Person, named: Iterable[str]) -> Person:
    """One person, with what is on these lists of theirs, and their scores."""
    key = (person.workspace, str(person.profile_id))
    told = (await scores.of_people(tx, [key])).get(key, {})
    person = replace(person, facts=_copied(person).scored(told))
    wanted = sorted(named)
    if not wanted:
        return person
    roll = await lists.roll(tx, person.workspace, wanted, sorted(_read([person])))
    return replace(person, facts=person.facts.listed(roll))


def _read(some: Iterable[Person]) -> set[Identifier]:
    """Their identifiers, as far as they have been read."""
    found: set[Identifier] = set()
    for one in some:
        if one.facts.sections[IDENTIFIERS].is_read:
            found.update(_flat(one.facts.identifiers))
    return found


def _flat(by_kind: Mapping[str, Sequence[str]]) -> Iterable[Identifier]:
    return ((kind, value) for kind, values in by_kind.items() for value in values)
