"""Everybody is worked out anew: under other rules as if these had held from the start."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import IDS, counting, event, events, expected, rule_sets
from services.profile.tests.postgres import feed, hubs_stored, hubs_told, known, told, wipe
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.engines import patient_engine
from tests.support.locks import somebody_waits

from rapport_common.events.envelope import Event
from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_common.testing.examples import examples
from rapport_profile.domain.consent_facts import fact_of
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.merge_rules import KindRule, MergeRules, RuleBook, Rules
from rapport_profile.domain.naming import Names
from rapport_profile.handlers import rules as handlers
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.rebuilding import Rebuilding, Report, Wanted
from rapport_profile.store import expiring, reads, recounting
from rapport_profile.store import rules as stored
from rapport_profile.store.jobs import JOBS, REBUILD
from rapport_profile.store.rules import CONSENT_RULES, MERGE_RULES, TRAIT_RULES, RuleShelf

pytestmark = pytest.mark.integration
NOTHING = msgspec.to_builtins(Report())


def book(rules: Rules) -> RuleBook:
    return RuleBook({"w": rules})


async def worked_off(engine: AsyncEngine, page: int = 2) -> dict[str, Any]:
    """The report of the job that waits."""
    async with engine.begin() as tx:
        (job,) = await JOBS.latest(tx, "w", limit=1)
    work = Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=page)
    assert await Jobs(engine, JOBS, {REBUILD: work.work}).turn(asyncio.Event())
    async with engine.begin() as tx:
        ended = await JOBS.find(tx, "w", job.id)
    assert ended is not None
    assert (ended.state, ended.error) == ("done", None)
    return ended.report


async def declare(tx: AsyncConnection, rules: Rules) -> None:
    """Let rules hold, those of traits and consents too: one job brings everybody under all."""
    by = ("ada", "a test")
    last = await stored.latest(tx, MERGE_RULES, "w")
    after = 0 if last is None else last.version
    await stored.hold(tx)
    judge = rules.judge
    await handlers.declare(tx, TRAIT_RULES, "w", judge.traits.declared, after=after, by=by)
    await handlers.declare(tx, CONSENT_RULES, "w", judge.consents, after=after, by=by)
    await handlers.declare_of_people(tx, MERGE_RULES, "w", rules.declared, after=after, by=by)


async def declared(engine: AsyncEngine, rules: Rules, page: int = 2) -> dict[str, Any]:
    """Let rules hold; the report of the job that brings everybody under them."""
    async with engine.begin() as tx:
        await declare(tx, rules)
    return await worked_off(engine, page)


async def started(engine: AsyncEngine, wanted: Wanted) -> None:
    async with engine.begin() as tx:
        await start(tx, None, "w", REBUILD, msgspec.to_builtins(wanted))


async def checked(engine: AsyncEngine, rules: MergeRules | None = None) -> dict[str, Any]:
    """What is found wrong, or what would change; nothing is written."""
    await started(engine, Wanted(rules=rules))
    return await worked_off(engine)


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


history = st.lists(events(), max_size=10)
later = st.lists(events(), max_size=4)


@settings(max_examples=examples(40))
@given(
    told=st.tuples(history, later, later),
    changed=st.tuples(rule_sets(), rule_sets()),
    page=st.integers(1, 5),
)
def test_a_change_of_rules_gives_what_the_new_ones_would_have_given(
    database: str,
    told: tuple[list[Event], list[Event], list[Event]],
    changed: tuple[Rules, Rules],
    page: int,
) -> None:
    """Events that come between the change and the job are applied under the new rules."""
    (before, meanwhile, after), (first, second) = told, changed

    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            await declared(engine, first)
            for piece in (before[:5], before[5:]):
                await feed(engine, piece, book(first))
            assert await checked(engine) == NOTHING
            await is_exact(engine, before, first)
            async with engine.begin() as tx:
                await declare(tx, second)
            await feed(engine, meanwhile, book(second))
            await worked_off(engine, page)
            await is_exact(engine, [*before, *meanwhile], second)
            assert await checked(engine) == NOTHING
            await feed(engine, after, book(second))
            await is_exact(engine, [*before, *meanwhile, *after], second)
            assert await checked(engine) == NOTHING
        finally:
            await engine.dispose()

    asyncio.run(run())


async def is_exact(engine: AsyncEngine, history: Sequence[Event], rules: Rules) -> None:
    """What is stored, and what a reader knows, is what the events amount to under the rules."""
    async with engine.begin() as tx:
        assert await known(tx) == expected(history, rules)
        assert await told(tx) == expected(history, rules)
        stored, heard = await hubs_stored(tx), await hubs_told(tx)
        assert stored == {message: heard[message] for message in stored}
        rows = await tx.execute(
            text(
                "SELECT CAST(identifier_id AS text), message_id, kind, lacks, expires_at "
                "FROM profile.consent_fact"
            )
        )
        assert {tuple(row) for row in rows} == words(history, rules)


def words(history: Sequence[Event], rules: Rules) -> set[tuple[Any, ...]]:
    """Whose each word on a consent is, and how it counts."""
    names, found = Names(IDS, book(rules)), set()
    for one in counting(history).values():
        said, who = fact_of(one, str, rules.judge.consents), names.of(one)
        if said is not None and who is not None:
            hub = IDS.of("w", who.hub)
            found.add((hub, said.message_id, said.kind, said.lacks, said.expires_at))
    return found


LIMITS = {"loyalty_card": KindRule(1), "email": KindRule(2)}
CARDS_FIRST = Rules(MergeRules(("loyalty_card", "email"), LIMITS))
NO_KIOSK = Rules(MergeRules(("loyalty_card",), blocked={"anonymous_id": ("kiosk",)}))


def shop() -> list[Event]:
    """Forty buyers with a card and two addresses each, at a kiosk that nobody took for one yet."""
    told = [event("z", identifiers=[("anonymous_id", "kiosk")])]
    for n in range(40):
        who = [("email", f"{n}@example.com"), ("loyalty_card", f"c{n}"), ("anonymous_id", "kiosk")]
        said = {"total": n}
        told += [
            event(f"a{n}", name="Order Completed", said=said, identifiers=who[:2], at=n),
            event(f"b{n}", identifiers=[("email", f"{n}@work.example"), who[1]], at=n),
            event(f"k{n}", identifiers=who[n % 2 :], at=n + 60),
        ]
    return told


async def test_events_that_come_while_everybody_is_worked_out_anew_are_counted_once(
    engine: AsyncEngine,
) -> None:
    """Two batches and the job work on the same people; who meets with locks tries again."""
    told = shop()
    await declared(engine, CARDS_FIRST)
    await feed(engine, told[:60], book(CARDS_FIRST))
    async with engine.begin() as tx:
        await handlers.declare_of_people(
            tx, MERGE_RULES, "w", NO_KIOSK.declared, after=1, by=("ada", "a test")
        )

    async def batches(some: list[Event]) -> None:
        for at in range(0, len(some), 5):
            await feed(engine, some[at : at + 5], book(NO_KIOSK))

    await asyncio.gather(worked_off(engine, 10), batches(told[60:90]), batches(told[90:]))
    await is_exact(engine, told, NO_KIOSK)
    assert await checked(engine) == NOTHING
    async with engine.begin() as tx:
        people = (await reads.stats(tx, "w"))["profiles"]
    assert people == 40 + 1  # and the kiosk, with the events that name nobody else


async def test_a_job_that_was_stopped_goes_on_and_its_report_is_of_all(
    engine: AsyncEngine,
) -> None:
    told = shop()
    await feed(engine, told)
    async with engine.begin() as tx:
        _version, job = await handlers.declare_of_people(
            tx, MERGE_RULES, "w", NO_KIOSK.declared, after=0, by=("ada", "a test")
        )
    states: list[str] = []
    stop = asyncio.Event()
    stop.set()
    work = Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=25)
    ended = None
    while not states or states[-1] == "queued":
        # Each turn ends after a page, as a process does that is stopped.
        assert await Jobs(engine, JOBS, {REBUILD: work.work}).turn(stop)
        async with engine.begin() as tx:
            ended = await JOBS.find(tx, "w", job.id)
        assert ended is not None
        states.append(ended.state)
    assert states == ["queued"] * (len(states) - 1) + ["done"]
    assert len(states) > 3
    assert ended is not None
    assert ended.report["moved_events"] > 0
    await is_exact(engine, told, NO_KIOSK)


BROKEN = (
    "UPDATE profile.identifier SET fold = '{}' WHERE kind = 'email' AND value LIKE '7@%'",
    "DELETE FROM profile.link WHERE message_id = 'b3'",
    """
    INSERT INTO profile.link SELECT x.workspace, x.id, y.id, 'seen', now(), 'm', 's', false
    FROM profile.identifier x, profile.identifier y
    WHERE x.value = '1@example.com' AND y.value = 'c2'
    """,
    """
    UPDATE profile.profile SET summary = jsonb_set(summary::jsonb, '{members}', '9')::json
    WHERE id = (SELECT profile_id FROM profile.identifier WHERE value = 'c5')
    """,
)


async def test_what_was_broken_is_found_and_put_right(engine: AsyncEngine) -> None:
    """A fold with an event too many, a link too many and one too few, a profile's own count."""
    told = shop()
    await feed(engine, told)
    for broken in BROKEN:
        async with engine.begin() as tx:
            await tx.execute(text(broken))
    found = await checked(engine)
    assert (found["links"], found["profiles"], found["moved_events"]) == (2, 1, 0)
    assert found["identifiers"] >= 1
    await started(engine, Wanted(repair=True))
    assert (await worked_off(engine))["links"] == 2
    await is_exact(engine, told, Rules())
    assert await checked(engine) == NOTHING


async def test_a_copy_counts_instead_of_one_that_was_named_under_former_rules(
    engine: AsyncEngine,
) -> None:
    """The job has not been at it yet: the event stands under a user id that is blocked by now."""
    told = event("m", user_id="guest-7", email="e", anonymous_id="x")
    others_words = (event("m", user_id="guest-7", email="e", said={"n": n}) for n in range(99))
    copies = [told, next(one for one in others_words if content_hash(one) < content_hash(told))]
    others = [event("o", email="e", anonymous_id="x", at=1), event("p", user_id="guest-7", at=2)]
    await feed(engine, [copies[0], *others])
    blocked = Rules(MergeRules(blocked={"user_id": ("guest-7",)}))
    async with engine.begin() as tx:
        await handlers.declare_of_people(
            tx, MERGE_RULES, "w", blocked.declared, after=0, by=("ada", "a test")
        )
    await feed(engine, copies[1:], book(blocked))
    async with engine.begin() as tx:
        # What another event says of the same two is not taken back with it.
        links = await tx.execute(text("SELECT message_id FROM profile.link"))
        assert list(links.scalars()) == ["o"]
        assert (await reads.stats(tx, "w"))["events"] == 3
    await worked_off(engine)
    await is_exact(engine, [*copies, *others], blocked)
    assert await checked(engine) == NOTHING


async def test_no_event_is_missed_that_retention_removes_just_now(engine: AsyncEngine) -> None:
    """It goes from the timeline to the identifier's sums: who reads these waits for its end."""
    history = [event(f"m{n}", email="e", at=n) for n in range(4)]
    await feed(engine, history)
    mail = IDS.of("w", ("email", "e"))
    async with engine.connect() as retention, engine.connect() as job:
        assert await expiring.remove(retention, "w", [(mail, one) for one in history[:3]]) == 3
        async with asyncio.TaskGroup() as group:
            sums = group.create_task(recounting.expired(job, "w", [mail]))
            await somebody_waits(engine)
            await retention.commit()
        assert sums.result()[mail].events == 3
        left = [events async for _hub, events in recounting.timelines(job, "w", [mail])]
    assert [len(events) for events in left] == [1]


async def test_a_preview_says_what_would_be_and_changes_nothing(engine: AsyncEngine) -> None:
    told = shop()
    await feed(engine, told)
    found = await checked(engine, NO_KIOSK.declared)
    assert found["links"] > 0
    assert found["changed"] > 0
    await is_exact(engine, told, Rules())
    assert await checked(engine) == NOTHING


async def test_no_batch_works_by_former_rules_once_others_hold(engine: AsyncEngine) -> None:
    shelf = RuleShelf()
    async with engine.connect() as batch:
        assert await shelf.book(batch, {"w"}) == {}

        async def declare() -> None:
            async with engine.begin() as tx:
                await handlers.declare_of_people(
                    tx, MERGE_RULES, "w", NO_KIOSK.declared, after=0, by=("ada", "a test")
                )

        async with asyncio.TaskGroup() as group:
            group.create_task(declare())
            await somebody_waits(engine)
            # Who comes now waits as well, and then sees the new ones.
            async with engine.connect() as next_batch:
                reading = group.create_task(shelf.book(next_batch, {"w", "a\0b"}))
                await somebody_waits(engine, 2)
                await batch.rollback()
                assert (await reading)["w"].declared == NO_KIOSK.declared
