"""Groups are settled: what was said of them becomes their traits, and lists of who is in them.

All is worked out anew from the facts, so it can be done at any time, and any number of times.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.publisher import Publisher
from rapport_profile import metrics
from rapport_profile.domain.groups.kinds import GroupRules
from rapport_profile.domain.groups.membership import Membership, Word, memberships, surplus
from rapport_profile.domain.groups.told import news, told_of
from rapport_profile.domain.groups.traits import folded, visible
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.handlers.group_facts import watch, watch_groups
from rapport_profile.store import group_facts, groups, rules
from rapport_profile.store.due import (
    DUE,
    GROUP,
    GROUP_ENDS,
    GROUP_MEMBER,
    GROUP_TOLD,
    GROUPS_OF_ALL,
)
from rapport_profile.store.groups import Group, Member
from rapport_profile.store.people import Scoped
from rapport_profile.store.privacy import PRIVACY
from rapport_profile.store.rules import GROUP_RULES

AT_ONCE = 50
"""Groups, or people, of one transaction."""
PAGE = 500
MAX_FACTS = 2_000
"""Facts with traits that are read of a group; older ones are kept as their sum."""
KEPT_FACTS = 1_000
TOLD_A_SECOND = 100
"""So many of those in one group are told of a change: each of them is an event."""
AGAIN = timedelta(seconds=1)
_FIRST = "00000000-0000-0000-0000-000000000000"


class GroupSettling:
    """What is done when something was said of groups."""

    def __init__(self, publisher: Publisher, due: DueStore = DUE) -> None:
        """`publisher` writes to `events`."""
        self._publisher = publisher
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {
            GROUP: self.spoken_of,
            GROUP_MEMBER: self.moved,
            GROUP_TOLD: self.changed,
            GROUP_ENDS: self.ended,
            GROUPS_OF_ALL: self.all_of_them,
        }

    async def spoken_of(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Settle the traits of groups."""
        asked = sorted(
            {(one.workspace, one.key.partition(" ")[0]): one.key for one in rows}.items()
        )
        for (workspace, group_id), key in asked[:AT_ONCE]:
            group = await groups.hold(tx, workspace, group_id, only_free=True)
            if group is None:
                at = now + AGAIN
            elif await settle(tx, workspace, group):
                continue
            else:
                at = now
            await self._due.schedule(tx, [NewDue(workspace, GROUP, key, at)])
        later = [NewDue(one[0][0], GROUP, one[1], now) for one in asked[AT_ONCE:]]
        await self._due.schedule(tx, later)

    async def moved(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Settle who is in which groups."""
        asked: list[Scoped] = [(one.workspace, one.key) for one in rows]
        later = [NewDue(one[0], GROUP_MEMBER, one[1], now) for one in asked[AT_ONCE:]]
        await self._due.schedule(tx, later)
        found = await settle_people(tx, asked[:AT_ONCE])
        await self._tell(tx, found, now)

    async def changed(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let all who are in a group be told of it, so many a second.

        If it changes meanwhile, all of them are told again when they all have been: so those at the
        end have their turn, too.
        """
        for one in rows:
            group = await groups.find(tx, one.workspace, one.key)
            if group is None:
                continue
            place = {"after": None, "seen": group.updated_at.isoformat(), **one.payload}
            some = await groups.members(tx, one.workspace, one.key, PAGE, place["after"])
            await watch(tx, [(one.workspace, row.profile_id) for row in some])
            if len(some) == PAGE:
                place["after"] = some[-1].profile_id
            elif place["seen"] == group.updated_at.isoformat():
                continue
            else:
                place = {}
            at = now + timedelta(seconds=len(some) / TOLD_A_SECOND)
            await self._due.schedule(tx, [NewDue(one.workspace, GROUP_TOLD, one.key, at, place)])

    async def _tell(
        self, tx: AsyncConnection, found: Mapping[Scoped, list[Membership]], now: datetime
    ) -> None:
        """Tell what has changed of people's groups; who is being forgotten is not spoken of."""
        people = sorted(found)
        known = await groups.told(tx, people)
        concerned = [one for one in people if one in known or found[one]]
        if not concerned:
            return
        names = await groups.names(tx, concerned)
        erased = await PRIVACY.erased(tx, concerned)
        documents = await _documents(tx, {one: found[one] for one in concerned})
        events = []
        for who in concerned:
            if who in erased or who not in names:
                await groups.forget(tx, who[0], [who[1]])
                continue
            told = documents[who]
            after = b"null" if told is None else bytes(told)
            if known.get(who, b"null") != after:
                await groups.tell(tx, who, after)
                events.append(news(*who, names[who], told, now))
        await self._publisher.tell(tx, *events)

    async def ended(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let go of what a deleted group had, a page at a time."""
        for one in rows:
            gone = await groups.empty(tx, one.workspace, one.key, PAGE)
            await watch(tx, [(one.workspace, each) for each in gone])
            number = await group_facts.clear(tx, one.workspace, one.key, PAGE)
            if len(gone) == PAGE or number == PAGE:
                await self._due.schedule(tx, [NewDue(one.workspace, GROUP_ENDS, one.key, now)])

    async def all_of_them(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Let all groups of workspaces be settled, then all who are in them, page by page."""
        for one in rows:
            place = {"groups": _FIRST, "people": _FIRST, **one.payload}
            if place["groups"] is not None:
                found = await groups.ids(tx, one.workspace, place["groups"], PAGE)
                await watch_groups(tx, [(one.workspace, each) for each in found])
                place["groups"] = found[-1] if len(found) == PAGE else None
            else:
                found = await group_facts.identifiers(tx, one.workspace, place["people"], PAGE)
                owners = await group_facts.owners(tx, one.workspace, found)
                await watch(tx, [(one.workspace, each) for each in owners])
                if len(found) < PAGE:
                    continue
                place["people"] = found[-1]
            row = NewDue(one.workspace, GROUPS_OF_ALL, one.key, now, place)
            await self._due.schedule(tx, [row])


async def _documents(
    tx: AsyncConnection, found: Mapping[Scoped, list[Membership]]
) -> dict[Scoped, msgspec.Raw | None]:
    """What is told of people who are in these groups."""
    documents: dict[Scoped, msgspec.Raw | None] = {}
    for workspace in {one for one, _id in found}:
        rules_ = await rules_of(tx, workspace)
        people = {who: some for who, some in found.items() if who[0] == workspace}
        ids = {one.group_id for some in people.values() for one in some}
        known = await groups.among(tx, workspace, ids)
        traits = {group_id: one.traits for group_id, one in known.items()}
        for who, some in people.items():
            documents[who] = told_of(some, traits, rules_)
    return documents


async def settle(tx: AsyncConnection, workspace: str, group: Group) -> bool:
    """Work out a group that is held; False where there is so much that it goes on later."""
    rule = (await rules_of(tx, workspace)).of(group.kind)
    everybody = rule.public == "everything"
    said = await group_facts.statements(
        tx, workspace, group.id, MAX_FACTS + KEPT_FACTS, everybody=everybody
    )
    is_all = len(said) < MAX_FACTS + KEPT_FACTS
    expired = group.expired
    if len(said) > MAX_FACTS:
        gone = said[: len(said) - KEPT_FACTS]
        expired = folded(expired, gone, rule)
        await group_facts.without_traits(tx, workspace, gone)
        said = said[len(gone) :]
    is_known = bool(expired or said) or await group_facts.is_spoken_of(
        tx, workspace, group.id, rule.public
    )
    after = group._replace(is_known=is_known, traits=folded(expired, said, rule), expired=expired)
    changed = _shown(after) != _shown(group)
    await groups.save(tx, workspace, after, changed=changed)
    if changed:
        await DUE.schedule(tx, [NewDue(workspace, GROUP_TOLD, group.id, EARLIEST)], keep=True)
    metrics.GROUPS_SETTLED.inc()
    return is_all


def _shown(group: Group) -> tuple[bool, bytes]:
    return (group.is_known, msgspec.json.encode(visible(group.traits)))


async def settle_people(
    tx: AsyncConnection, people: Sequence[Scoped]
) -> dict[Scoped, list[Membership]]:
    """Work out in which groups people are, and put the lists right; what they are in now."""
    said = await group_facts.words(tx, people)
    listed = await groups.of_people(tx, people)
    ruled = {one: await rules_of(tx, one) for one in {workspace for workspace, _id in people}}
    leaving: list[tuple[Scoped, Id]] = []
    entering: list[tuple[Scoped, Membership]] = []
    found: dict[Scoped, list[Membership]] = {}
    for who in people:
        words = said.get(who, [])
        await _trim(tx, who[0], words)
        now = [one for one in memberships(words, ruled[who[0]]) if one.left_at is None]
        before, found[who] = listed[who], now
        entering += [
            (who, one)
            for one in now
            if before.get(one.group_id) != Member(one.since, one.role, one.is_verified)
        ]
        leaving += [(who, one) for one in before.keys() - {each.group_id for each in now}]
    await groups.leave(tx, leaving)
    await groups.enter(tx, entering)
    return found


async def rules_of(tx: AsyncConnection, workspace: str) -> GroupRules:
    """The kinds of groups as a workspace has declared them."""
    found = await rules.latest(tx, GROUP_RULES, workspace)
    return GroupRules() if found is None else found.declared


async def _trim(tx: AsyncConnection, workspace: str, words: Sequence[Word]) -> None:
    by_identifier: Mapping[Id, list[Word]] = _by_identifier(words)
    for some in by_identifier.values():
        await group_facts.trim(tx, workspace, surplus(some))


def _by_identifier(words: Sequence[Word]) -> dict[Id, list[Word]]:
    found: dict[Id, list[Word]] = {}
    for one in words:
        found.setdefault(one.identifier_id, []).append(one)
    return found
