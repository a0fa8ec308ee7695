"""Tasks of staff: taken with a lease, permitted anew then, ended by what came of them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain import own_events, suppressions
from rapport_campaign.domain.channel_permission import decide_by
from rapport_campaign.domain.permission import GIVE_UP_AFTER, PermissionPolicy, Send, Suppress
from rapport_campaign.domain.suppressions import of_channel
from rapport_campaign.domain.tasks import PHONE, STORE_WORD, Task, TaskOutcome
from rapport_campaign.store import campaigns, locks, people, suppression_list, tracking
from rapport_campaign.store import tasks as store
from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.envelope import Identifier
from rapport_common.events.kinds import PHONE as PHONE_KIND
from rapport_common.exporting.answers import Places
from rapport_common.exporting.columns import Column, Kind
from rapport_common.exporting.texts import CsvWriting
from rapport_common.publisher import Publisher

REFUSED = "they have told staff that they want no more of it"
PAGE = 1000
COLUMNS: tuple[Column[Task], ...] = (
    Column("id", Kind.TEXT, lambda one: str(one.task_id)),
    Column("channel", Kind.TEXT, lambda one: one.channel),
    Column("queue", Kind.TEXT, lambda one: one.queue),
    Column("profile_id", Kind.TEXT, lambda one: one.profile_id),
    Column("point", Kind.TEXT, lambda one: one.point),
    Column("title", Kind.TEXT, lambda one: one.title),
    Column("script", Kind.TEXT, lambda one: one.script),
    Column("url", Kind.TEXT, lambda one: one.url),
    Column("due_at", Kind.TIME, lambda one: one.due_at),
    Column("expires_at", Kind.TIME, lambda one: one.expires_at),
    Column("attempts", Kind.TEXT, lambda one: str(one.attempts)),
)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task; `again_at`: when to call again."""

    outcome: TaskOutcome
    note: str = ""
    again_at: datetime | None = None


async def put_all(tx: AsyncConnection, tasks: Sequence[Task]) -> None:
    """Put tasks before staff; one that is there already stays as it is."""
    for one in tasks:
        await store.add(tx, one)


async def claim(
    tx: AsyncConnection,
    caller: Operator,
    *,
    fits: dict[str, str | None],
    lease: timedelta,
    limit: int,
) -> list[Task]:
    """Take tasks that are due; those that nobody may be told any more are withdrawn instead."""
    now = clock.now()
    taken = await store.claim(
        tx,
        caller.workspace,
        caller.subject,
        now=now,
        until=now + lease,
        fits=fits,
        limit=limit,
    )
    refusals = await _refusals(tx, caller.workspace, taken, now)
    for one in taken:
        if one.task_id in refusals:
            ended = replace(one, state="withdrawn", note=refusals[one.task_id], ended_at=now)
            await store.save(tx, replace(ended, holder=None, lease_until=None))
    return [one for one in taken if one.task_id not in refusals]


async def done(
    tx: AsyncConnection, caller: Operator, task_id: UUID, told: Done, publisher: Publisher
) -> Task:
    """End a task, or let it wait for another call; told again it is as it was.

    ConflictError: somebody else has it in hand, or it has ended otherwise.
    """
    one, now = await require(tx, caller.workspace, task_id, lock=True), clock.now()
    if one.state == "done" and (one.outcome, one.ended_by) == (told.outcome, caller.subject):
        return one
    if one.state != "open":
        message = f"This task is {one.state} already."
        raise ConflictError(message, details={"state": one.state, "outcome": one.outcome})
    if one.is_held_by_others(caller.subject, now):
        message = f"{one.holder} has this task in hand."
        raise ConflictError(message, code="held", details={"holder": one.holder})
    after = replace(
        one,
        attempts=one.attempts + 1,
        outcome=told.outcome,
        note=told.note,
        holder=None,
        lease_until=None,
    )
    if told.outcome == "call_again":
        after = replace(after, due_at=_again(one, told.again_at, now))
    else:
        after = replace(after, state="done", ended_at=now, ended_by=caller.subject)
    await store.save(tx, after)
    if told.outcome == "refused":
        await _heed(tx, after, caller.subject, now, publisher)
    return after


async def require(
    tx: AsyncConnection, workspace: str, task_id: UUID, *, lock: bool = False
) -> Task:
    """A task of the workspace; NotFoundError."""
    found = await store.find(tx, workspace, task_id, lock=lock)
    if found is None:
        message = f"There is no task {task_id} in this workspace. GET /v1/tasks lists them."
        raise NotFoundError(message)
    return found


class Exporting:
    """Makes files of open tasks, a few at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.places = Places(2)

    async def parts(self, workspace: str, *, guarded: bool) -> AsyncGenerator[bytes]:
        """The file, part by part; a page is a transaction of its own."""
        with self.places.one():
            making = CsvWriting(COLUMNS, guarded=guarded)
            part, after = making.begin(), None
            while True:
                async with self._engine.begin() as tx:
                    page = await store.page(tx, workspace, after, PAGE)
                if not page:
                    break
                yield part + making.add(page)
                part, after = b"", page[-1].task_id
            yield part + making.end()


def _again(one: Task, at: datetime | None, now: datetime) -> datetime:
    if at is None or not now < at < one.expires_at:
        until = one.expires_at.isoformat(timespec="seconds")
        message = f"again_at: when to call again, from now to {until}, when the task expires."
        raise InvalidRequestError(message, details={"path": "body.again_at"})
    return at


async def _refusals(
    tx: AsyncConnection, workspace: str, taken: Sequence[Task], now: datetime
) -> dict[UUID, str]:
    """Why nobody may be told any more, by task: what counts is what is known now."""
    if not taken:
        return {}
    asked = [(workspace, one.profile_id) for one in taken]
    heirs = await people.resolve(tx, asked)
    whose = {one.task_id: (workspace, heirs[workspace, one.profile_id]) for one in taken}
    persons = await people.load(tx, whose.values())
    points = [(workspace, one.point) for one in taken if one.point]
    listed = (await suppression_list.at(tx, points)).get(workspace, [])
    stopped = (await tracking.suppressions(tx, points)).get(workspace, {})
    policy = (await campaigns.policies(tx, [workspace])).get(workspace, PermissionPolicy())
    found: dict[UUID, str] = {}
    for one in taken:
        verdict = decide_by(
            one.channel,
            purpose=one.purpose,
            waited=GIVE_UP_AFTER,
            person=persons.get(whose[one.task_id]),
            policy=policy,
            suppressions=stopped,
            now=now,
            listings=of_channel(listed, one.channel),
        )
        if isinstance(verdict, Suppress):
            found[one.task_id] = verdict.reason
        elif isinstance(verdict, Send) and one.point and verdict.address != one.point:
            found[one.task_id] = "the number is theirs no more"
    return found


async def _heed(
    tx: AsyncConnection, one: Task, actor: str, now: datetime, publisher: Publisher
) -> None:
    """Somebody wants no more of it: it counts at once, and their profile is told."""
    channel, point = (PHONE, one.point) if one.channel == PHONE else (STORE_WORD, one.profile_id)
    if one.channel == PHONE:
        await locks.own_addresses(tx, [(one.workspace, point)])
        place = suppressions.Place(PHONE, point, "promotion")
        entry = suppressions.Entry(place, REFUSED, actor, now)
        await suppression_list.put(tx, one.workspace, [entry])
    await store.withdraw(tx, one, REFUSED, now)
    who = await _named(tx, one)
    if who is not None:
        said = {"contact_point": point, "channel": channel, "actor": actor}
        told = own_events.refused(one.workspace, who, str(one.task_id), said, now)
        await publisher.publish(tx, [(told, None)])


async def _named(tx: AsyncConnection, one: Task) -> Identifier | None:
    """By what their profile is found; None: nobody is known any more."""
    if one.channel == PHONE:
        return (PHONE_KIND, one.point)
    key = (one.workspace, one.profile_id)
    now = (one.workspace, (await people.resolve(tx, [key]))[key])
    person = (await people.load(tx, [now])).get(now)
    named = person.state.identifiers if person is not None and person.state is not None else []
    strongest = sorted(named, key=lambda each: (each.kind != "user_id", each.kind, each.value))
    return (strongest[0].kind, strongest[0].value) if strongest else None
