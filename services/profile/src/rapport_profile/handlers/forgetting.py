"""What profile itself forgets: the events first, piece by piece, then in one step who it was.

The last step takes away what is left of the events that were received before the wish, ends the
profile's ids, and works out anew whoever is left: by what was received since, the identifiers are
somebody new.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.ids import uuid7_text
from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import Page, Sweep, Waits
from rapport_profile.domain.naming import Id, Ids, Names, anonymous_twin, user_twin
from rapport_profile.domain.recounting import Page as Recounted
from rapport_profile.domain.revising import Revising
from rapport_profile.handlers.group_facts import leave_groups
from rapport_profile.handlers.portions import Portions, Room
from rapport_profile.handlers.publish import publish
from rapport_profile.handlers.rebuilding import rebuilt
from rapport_profile.handlers.refusing import all_digits
from rapport_profile.store import (
    computed_states,
    consent_facts,
    decisions,
    duplicates,
    expiring,
    likenesses,
    lookups,
    loyalty,
    people,
    portions,
    search,
)
from rapport_profile.store import privacy as store
from rapport_profile.store.group_privacy import group_sweeps
from rapport_profile.store.rectifications import FORGOTTEN as RECTIFICATIONS
from rapport_profile.store.restraints import FORGOTTEN as RESTRAINTS
from rapport_profile.store.rules import RuleShelf
from rapport_profile.store.scores import PUBLISHED
from rapport_profile.tables import SCHEMA

COUNTED = 100_000
SOME = 500
"""Identifiers of a person in portions that are looked at with one page."""
AT_ONCE = 5_000
"""So many events go with the last step; of a larger person the others go before."""


SEARCH = Waits(
    "profile.search", lambda tx, who: store.is_search_due(tx, who.workspace, who.profiles)
)
"""What a person is found by goes with them, and would come back until its writer has seen that."""


def sweeps(ids: Ids, key: bytes, at_once: int = AT_ONCE, room: Room | None = None) -> list[Sweep]:
    """All that profile holds of a person, in the order in which it goes."""
    return [
        Portions(room or Room()),
        RESTRAINTS,
        RECTIFICATIONS,
        _Events(at_once),
        _Person(ids, at_once),
        SEARCH,
        # When nobody has the ids any more: then no late score is kept.
        PUBLISHED.forgotten,
        *group_sweeps(Recogniser(key)),
        *aside_sweeps(SCHEMA, Recogniser(key)),
    ]


def identifier_ids(who: Subject) -> list[Id]:
    """The ids of a person's identifiers: the HMACs as UUIDs."""
    return [_uuid(one) for one in sorted(who.subjects)]


def _uuid(digits: str) -> Id:
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)


class _Events(Sweep):
    """The events of a large person, but for as many as go with the last step."""

    table = "profile.timeline"

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        """Remove a piece."""
        role = await portions.role(tx, who.workspace, who.request_id)
        if role != "whole":
            return await self._of_portions(tx, who, after or "") if role == "first" else Page()
        ids = identifier_ids(who)
        left = await store.count_events(tx, who.workspace, ids, who.at, 2 * self._at_once)
        if left < 2 * self._at_once:
            return Page()
        gone = await store.drop_events(tx, who.workspace, ids, who.at, self._at_once)
        return Page(gone, after="more")

    async def _of_portions(self, tx: AsyncConnection, who: Subject, after: str) -> Page:
        """All of some identifiers of a person in portions: none is left for the last step."""
        ids = await portions.next_ids(tx, who.workspace, who.request_id, after, SOME)
        if not ids:
            return Page()
        gone = await store.drop_events(tx, who.workspace, ids, who.at, self._at_once)
        return Page(gone, after=after if gone == self._at_once else ids[-1])

    @override
    async def count(self, tx: AsyncConnection, who: Subject) -> int | None:
        """How many there are, up to COUNTED."""
        return await store.count_events(tx, who.workspace, identifier_ids(who), who.at, COUNTED)


class _Person(Sweep):
    """Who it was, in one transaction; of a person in portions page by page."""

    table = "profile.identifier"

    def __init__(self, ids: Ids, at_once: int) -> None:
        self._ids = ids
        self._most = 4 * at_once
        self._shelf = RuleShelf()

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        """Forget them."""
        role = await portions.role(tx, who.workspace, who.request_id)
        if role == "other":
            return Page(waits=not await portions.is_gone(tx, who.workspace, who.request_id))
        book = await self._shelf.book(tx, {who.workspace})
        names = Names(self._ids, book, await decisions.cuts(tx, who.workspace))
        if role == "first":
            return await _part(tx, names, who, after, most=self._most)
        return Page(await forget(tx, names, who, most=self._most))

    @override
    async def count(self, _tx: AsyncConnection, who: Subject) -> int | None:
        """How many identifiers they have."""
        return len(who.subjects)


async def _part(
    tx: AsyncConnection, names: Names, who: Subject, after: str | None, *, most: int
) -> Page:
    """A page of a person in portions.

    Their ids end first. Then each identifier is taken out of the person, until nothing leads from
    one to another; then each is forgotten as a person of its own; then the profiles.
    """
    workspace, request = who.workspace, who.request_id
    if after is None:
        await _end(tx, workspace, who.profiles)
        return Page(after="apart ")
    step, _, last = after.partition(" ")
    if step == "ended":
        found = await portions.next_profiles(tx, workspace, request, last)
        if found is None:
            await portions.gone(tx, workspace, request)
            return Page()
        ended = replace(who, subjects=frozenset(), profiles=found[1])
        return Page(await forget(tx, names, ended, most=most), f"ended {found[0]}")
    ids = await portions.next_ids(tx, workspace, request, last, SOME)
    if step == "apart":
        if ids and not await portions.part(tx, workspace, ids, who.at, most):
            return Page(after=after)
        return Page(after=f"apart {ids[-1]}" if ids else "each ")
    if not ids:
        return Page(after="ended ")
    some = replace(who, subjects=all_digits(ids), profiles=frozenset())
    return Page(await forget(tx, names, some, most=most), f"each {ids[-1]}")


async def forget(tx: AsyncConnection, names: Names, who: Subject, *, most: int) -> int:
    """Take away all of a person; how many rows that were. What was received since stays.

    `most`: events that are removed with one statement.
    """
    workspace, ids = who.workspace, identifier_ids(who)
    joined = await store.joined(tx, workspace, who.profiles)
    others = await store.linking(tx, workspace, ids)
    everybody = sorted({*ids, *joined, *others})
    left = [*ids, *await _twins(tx, names, workspace, ids)]
    await _hold(tx, names, workspace, everybody)
    await expiring.settle(tx, workspace, ids)
    number = await expiring.clear(tx, workspace, ids)
    while gone := await store.drop_events(tx, workspace, ids, who.at, most):
        number += gone
    named = await _naming(tx, names, who, others)
    number += await store.drop_these(tx, workspace, others, named)
    number += await consent_facts.erase(tx, workspace, ids, who.at, named)
    number += sum((await store.drop_beside(tx, workspace, ids)).values())
    await store.leave_profiles(tx, workspace, who.profiles)
    ended = await _end(tx, workspace, who.profiles)
    number += sum((await computed_states.forget(tx, workspace, [*ids, *ended])).values())
    for event in named:
        await loyalty.drop_fact(tx, (workspace, event.source, event.message_id))
    number += await loyalty.forget(tx, workspace, ids, who.at)
    await loyalty.drop_members(tx, workspace, sorted(ended))
    number += await leave_groups(tx, who, ids, named, sorted(ended))
    await search.forget(tx, workspace, sorted(ended))
    await likenesses.forget(tx, workspace, sorted(ended))
    await duplicates.forget(tx, workspace, sorted(ended))
    await search.owe(tx, [(workspace, one) for one in sorted(ended)])
    known = await lookups.known(tx, [(workspace, one) for one in everybody])
    page = Recounted(workspace, [one for one in everybody if (workspace, one) in known])
    await rebuilt(tx, names, page)
    return number + await store.drop_identifiers(tx, workspace, left)


async def _end(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> dict[Id, int]:
    """End profile ids and tell so; their last versions."""
    ended = await store.end_profiles(tx, workspace, profiles)
    told = [
        ProfileActivity(workspace=workspace, profile_id=one, version=version, gone=True)
        for one, version in sorted(ended.items())
    ]
    await publish(tx, [(one, None) for one in told])
    return ended


async def _twins(tx: AsyncConnection, names: Names, workspace: str, ids: Sequence[Id]) -> set[Id]:
    """The same values as user ids and anonymous ids: an alias has looked for both."""
    named = await store.named(tx, workspace, ids)
    twins = [twin(one) for one in named for twin in (user_twin, anonymous_twin)]
    return {names.ids.of(workspace, one) for one in twins}


async def _hold(tx: AsyncConnection, names: Names, workspace: str, ends: Collection[Id]) -> None:
    """Lock all whom it concerns: what is read from now on stays so."""
    working = Revising(names.ids, uuid7_text, names.book)
    seeds = {(workspace, one) for one in ends}
    await people.load_around(tx, working, seeds, set(), beyond=seeds, wide=True)


async def _naming(
    tx: AsyncConnection, names: Names, who: Subject, others: Sequence[Id]
) -> list[Event]:
    """The events of others that name the person, of those received before the wish."""
    if not others:
        return []
    wanted = set(identifier_ids(who))
    found = []
    for event in await store.events_of(tx, who.workspace, others, who.at):
        named = names.of(event)
        ids = {names.ids.of(who.workspace, one) for one in named.all} if named else set()
        if ids & wanted:
            found.append(event)
    return found
