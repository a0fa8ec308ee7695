"""All of profile in one history: the same facts give the same people, in whatever pieces they come.

Merges, copies, late events, other rules meanwhile, an operator's word, and somebody who is
forgotten; with traits, consents, points, groups and computed traits. Compared is one hash of
all that the API says of everybody.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from services.profile.tests.conftest import api_over, bearer
from services.profile.tests.grouped import words
from services.profile.tests.loyal import PER_DOLLAR, cancelled, order, refund
from services.profile.tests.people import START, event, events, rule_sets
from services.profile.tests.postgres import feed, wipe
from services.profile.tests.test_computed_histories import DOCUMENTS
from services.profile.tests.test_erasing import AT, ask, later, person_of
from services.profile.tests.test_erasing import worked_off as erased
from services.profile.tests.test_groups_stored import settled as groups_settled
from services.profile.tests.test_loyalty_stored import settled as points_settled
from services.profile.tests.test_rebuilding import NOTHING, book, checked, declared
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import Id
from rapport_profile.store import computed_traits

pytestmark = pytest.mark.integration
CLUB = {"name": "Club", "points": "stars", "rules": [PER_DOLLAR]}


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


@st.composite
def sales(draw: st.DrawFn) -> Event:
    """Orders that earn points, and what becomes of them."""
    make: Callable[..., Event] = draw(st.sampled_from([order, order, refund, cancelled]))
    user = draw(st.sampled_from(["A", "B", None]))
    device = draw(st.sampled_from([None, "x", "y"])) if user else "x"
    fields: dict[str, Any] = {"user_id": user, "anonymous_id": device}
    name, number = f"s{draw(st.integers(0, 6))}", draw(st.sampled_from("12"))
    total, on = draw(st.integers(1, 9)), draw(st.integers(0, 3))
    return make(name, number, total=total, on=on, **fields)


anything = events() | words() | sales()
PEOPLE = [("user_id", "A"), ("email", "e1"), ("anonymous_id", "x")]


class Facts(NamedTuple):
    """What happened: before somebody asked to be forgotten, and since; by which rules it is seen.

    `apart`: whether an operator keeps two people apart.
    """

    before: list[Event]
    since: list[Event]
    rules: Rules
    who: tuple[str, str]
    apart: bool


def received(one: Event, since: str) -> Event:
    """The same, under an id of its own time, and received then."""
    if since:
        return replace(later(one), message_id=f"b{one.message_id}")
    early = AT - timedelta(minutes=1)
    return replace(one, message_id=f"a{one.message_id}", received_at=min(one.received_at, early))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    before = draw(st.lists(anything, min_size=2, max_size=10))
    since = draw(st.lists(anything, max_size=6))
    return Facts(
        [received(one, "") for one in before],
        [received(one, "since") for one in since],
        draw(rule_sets()),
        draw(st.sampled_from(PEOPLE)),
        draw(st.booleans()),
    )


class Telling:
    """One way in which the facts come."""

    def __init__(self, engine: AsyncEngine, client: httpx.AsyncClient) -> None:
        self.engine, self.client = engine, client

    async def begin(self) -> None:
        """An empty shop with a programme and computed traits."""
        await wipe(self.engine)
        since = (START - timedelta(days=1)).isoformat()
        programme = {"programme": CLUB, "version": 0, "since": since, "reason": "a test"}
        answer = await self.client.put("/v1/loyalty/programme", json=programme)
        assert answer.status_code == 200, answer.text
        async with self.engine.begin() as tx:
            made = [
                await computed_traits.add(
                    tx, "w", name, 1, msgspec.convert(one, Definition), by=("ada", "a test")
                )
                for name, one in DOCUMENTS.items()
            ]
            await computed_traits.move_on(tx, "w", made, "live", ["filling"])

    async def feed(self, some: Sequence[Event], rules: Rules) -> None:
        """A batch, by the rules of the moment; the programme counts from the first on."""
        if some:
            held = Rules(rules.declared, rules.judge.traits.declared, 1, rules.judge.consents)
            await feed(self.engine, some, book(held))

    async def keep_apart(self) -> None:
        """What an operator says where both are known."""
        ends = [("user_id", "A"), ("email", "e1")]
        asked: dict[str, Any] = {
            name: dict(zip(("kind", "value"), one, strict=True))
            for name, one in zip(("one", "other"), ends, strict=True)
        }
        answer = await self.client.post(
            "/v1/profiles/keep-apart", json={**asked, "reason": "a test"}
        )
        assert answer.status_code in {201, 404}, answer.text

    async def content(self) -> list[str]:
        """All that is told of everybody, and of groups; without ids and versions."""
        await groups_settled(self.engine)
        await points_settled(self.engine)
        async with self.engine.begin() as tx:
            rows = await tx.execute(text("SELECT id FROM profile.profile WHERE members > 0"))
            ids = [str(one) for one in rows.scalars()]
        everybody = sorted([await self._person(one) for one in ids])
        shown = await self._get("/v1/groups")
        groups = sorted(str([one["kind"], one["key"], one.get("traits")]) for one in shown["items"])
        return [*everybody, *groups]

    async def _person(self, one: Id) -> str:
        shown = await self._get(f"/v1/profiles/{one}")
        del shown["id"], shown["version"]
        joined = (await self._get(f"/v1/profiles/{one}/groups"))["items"]
        shown["groups"] = sorted(str([each["kind"], each["key"], each["role"]]) for each in joined)
        shown["points"] = (await self._get(f"/v1/profiles/{one}/loyalty"))["points"]
        return msgspec.json.encode(shown, order="deterministic").decode()

    async def _get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()


def digest(content: Sequence[str]) -> str:
    """One hash of it."""
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


async def at_once(way: Telling, told: Facts) -> tuple[list[str], set[Id]]:
    """Everything in its order; the content at the end, and who was forgotten."""
    await way.begin()
    await declared(way.engine, told.rules)
    await way.feed(told.before, told.rules)
    if told.apart:
        await way.keep_apart()
    ids, profiles = await person_of(way.engine, told.who)
    await ask(way.engine, ids, profiles)
    await erased(way.engine)
    # Copies of what was before are refused then; of which message, is part of the facts.
    await way.feed([*told.since, *told.before], told.rules)
    return await way.content(), ids


async def in_pieces(
    way: Telling, told: Facts, others: Rules, chance: random.Random, ids: set[Id]
) -> list[str]:
    """In any order, some twice, by other rules meanwhile, and late when somebody is forgotten."""
    await way.begin()
    rest = [*told.before, *chance.sample(told.before, len(told.before) // 2)]
    chance.shuffle(rest)
    middle = chance.randrange(len(rest) + 1)
    await declared(way.engine, others)
    for piece in _pieces(rest[:middle], chance):
        await way.feed(piece, others)
    await declared(way.engine, told.rules, page=chance.choice([1, 3, 50]))
    for piece in _pieces(rest[middle:], chance):
        await way.feed(piece, told.rules)
    if told.apart:
        await way.keep_apart()
    found, profiles = await person_of(way.engine, told.who)
    assert found == ids, "who is who before somebody is forgotten"
    await ask(way.engine, ids, profiles)
    meanwhile = [*chance.sample(told.since, len(told.since) // 2), *chance.sample(told.before, 2)]
    for piece in _pieces(meanwhile, chance):
        await way.feed(piece, told.rules)
    await erased(way.engine)
    late = [*told.since, *told.before, *told.since]
    chance.shuffle(late)
    for piece in _pieces(late, chance):
        await way.feed(piece, told.rules)
    assert await checked(way.engine) == NOTHING
    return await way.content()


def _pieces(some: Sequence[Event], chance: random.Random) -> list[Sequence[Event]]:
    found, rest = [], some
    while rest:
        size = chance.randint(1, 5)
        found.append(rest[:size])
        rest = rest[size:]
    return found


@pytest.mark.long
@settings(max_examples=examples(40))
@given(told=facts(), others=rule_sets(), seed=st.integers(0, 2**32))
def test_the_same_facts_have_one_content_hash_however_they_come(
    database: str, told: Facts, others: Rules, seed: int
) -> None:
    async def run() -> None:
        engine = patient_engine(database, application="property", pool=3)
        try:
            transport = httpx.ASGITransport(api_over(engine))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://test", headers=bearer("w", "*")
            ) as client:
                way = Telling(engine, client)
                wanted, ids = await at_once(way, told)
                found = await in_pieces(way, told, others, random.Random(seed), ids)
                assert digest(found) == digest(wanted), {*found} ^ {*wanted}
        finally:
            await engine.dispose()

    asyncio.run(run())


async def test_the_hash_tells_of_all_that_is_known(engine: AsyncEngine) -> None:
    """Each of these changes it: else the property would hold of anything."""
    transport = httpx.ASGITransport(api_over(engine))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=bearer("w", "*")
    ) as client:
        way = Telling(engine, client)
        await way.begin()
        seen = {digest(await way.content())}
        for one in (
            event("1", type="identify", user_id="A", traits={"p": 1}),
            event("2", user_id="A", anonymous_id="x", at=1),
            order("3", total=7, on=1),
            event("4", type="group", user_id="A", group_id="g", traits={"groupType": "company"}),
            event("5", name="Case Opened", user_id="A", said={"case_id": "c", "total": 3}),
        ):
            await way.feed([one], Rules())
            seen.add(digest(await way.content()))
        assert len(seen) == 6
