"""Previews: all is counted in one look, part by part, with reasons and hints."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.means import MEANS
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app

from rapport_common import clock
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY
from rapport_segment.api import routers
from rapport_segment.domain import funnel
from rapport_segment.domain.rules import parse
from rapport_segment.domain.tree import Leaf
from rapport_segment.handlers import previewing
from rapport_segment.handlers.activity import Judging
from rapport_segment.store import previews

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

AGE = {"trait": "age", "op": "gte", "value": 18}
RULE = {"and": [{"computed": "orders", "op": "gte", "value": 2}, {"not": AGE}]}
TOLD: list[Any] = [None, 17, 18, "17", "young", True, [20], {"years": 3}, 40, 12]


def leaf_of(document: dict[str, Any]) -> Leaf:
    leaf = parse(document)
    assert isinstance(leaf, Leaf)
    return leaf


def test_a_funnel_has_every_part_by_its_place() -> None:
    found = [(one.path, one.depth, one.line) for one in funnel.parts(parse({"or": [RULE, AGE]}))]
    assert found == [
        ("", 0, "(orders >= 2 and not age >= 18) or age >= 18"),
        ("or[0]", 1, "orders >= 2 and not age >= 18"),
        ("or[0].and[0]", 2, "orders >= 2"),
        ("or[0].and[1]", 2, "not age >= 18"),
        ("or[0].and[1].not", 3, "age >= 18"),
        ("or[1]", 1, "age >= 18"),
    ]


@pytest.mark.parametrize(
    ("leaf", "found", "hints"),
    [
        (AGE, {"text": 14, "number": 3, "missing": 9}, ["14 people have age as a text"]),
        (AGE, {"boolean": 1, "list": 2}, ["1 person has age as true or false"]),
        (AGE, {"number": 3, "missing": 9}, []),
        (AGE, {"number": 0, "missing": 9}, ["nobody has age"]),
        (
            {"trait": "plan", "op": "eq", "value": "gold"},
            {"number": 2, "text": 1},
            ["2 people have plan as a number"],
        ),
        (
            {"trait": "age", "op": "in", "value": ["18", "19"]},
            {"text": 2, "number": 1},
            ["2 people have age as a text"],
        ),
        (
            {"trait": "vip", "op": "eq", "value": True},
            {"text": 2, "boolean": 1},
            ["2 people have vip as a text"],
        ),
        (
            {"trait": "born", "op": "anniversary", "value": {"next": "7d"}},
            {"number": 2, "text": 1},
            ["2 people have born as a number"],
        ),
        ({"trait": "age", "op": "exists"}, {"text": 2}, []),
        (
            {"trait": "tags", "op": "contains", "value": "vip"},
            {"list": 2, "object": 1},
            ["1 person has tags as an object"],
        ),
        ({"trait": "tags", "of": "size", "op": "gte", "value": 2}, {"text": 2}, []),
        ({"computed": "orders", "op": "gte", "value": 2}, {}, []),
    ],
)
def test_what_is_odd_is_said(leaf: dict[str, Any], found: dict[str, int], hints: list[str]) -> None:
    assert funnel.odd(leaf_of(leaf), found) == hints


def test_of_a_sample_hints_say_so() -> None:
    leaf = leaf_of(AGE)
    assert funnel.odd(leaf, {"text": 14}, estimated=True) == ["about 14 people have age as a text"]
    assert funnel.odd(leaf, {"missing": 9}, estimated=True) == ["nobody of the sample has age"]


@pytest.fixture
async def told(engine: AsyncEngine, records: "Records") -> list[uuid.UUID]:
    """Ten people with 0 to 9 orders, who have their age in ten ways."""
    ids = [uuid.UUID(int=number + 1) for number in range(len(TOLD))]
    async with engine.begin() as tx:
        values = [
            records.record(records.state(who, traits={"age": age}, orders=number))
            for number, (who, age) in enumerate(zip(ids, TOLD, strict=True))
        ]
        await Judging().on_activity(values, tx)
    return ids


@pytest.mark.integration
async def test_each_part_is_counted_and_some_are_shown_with_reasons(
    told: list[uuid.UUID], client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    point = '{"email": {"any": ["a@x.example"], "verified": ["a@x.example"]}}'
    word = '{"email": {"promotion": [{"point": "a@x.example", "state": "granted"}]}}'
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE segment.person SET contact_points = CAST(:point AS jsonb), "
                "consent = CAST(:word AS jsonb) WHERE profile_id = ANY(:ids)"
            ),
            {"point": point, "word": word, "ids": [told[2], told[3], told[9]]},
        )
    found = (await client.post("/v1/segments/preview", json={"rule": RULE})).json()
    assert (found["count"], found["of"], found["estimate"]) == (5, 10, False)
    parts = [(one["path"], one["count"], one["left"]) for one in found["parts"]]
    assert parts == [
        ("rule", 5, None),
        ("and[0]", 8, 8),
        ("and[1]", 7, 5),
        ("and[1].not", 3, None),
    ]
    assert (found["reach"]["email"], found["reach"]["sms"]) == (2, 0)
    assert found["people"][0] == {
        "id": str(told[3]),
        "reason": 'orders 3 >= 2 and trait age "17" not >= 18',
    }
    assert len(found["people"]) == 5
    assert [one["message"] for one in found["hints"]] == [
        "2 people have age as a text",
        "1 person has age as true or false",
        "1 person has age as an object",
    ]
    assert {one["path"] for one in found["hints"]} == {"and[1].not"}


@pytest.mark.integration
async def test_nothing_is_written_by_who_only_wants_to_know(
    told: list[uuid.UUID], engine: AsyncEngine
) -> None:
    async with engine.begin() as tx:
        found = await previewing.preview(tx, "acme", AGE)
        with pytest.raises(DBAPIError, match="read-only"):
            await tx.execute(text("DELETE FROM segment.person"))
    assert {one.profile_id for one in found.examples} == {told[2], told[6], told[8]}
    assert (found.sampled, found.interval) == (10, None)


@pytest.mark.integration
async def test_whatever_the_guide_shows_can_be_previewed(client: httpx.AsyncClient) -> None:
    """Each kind of comparison stands in it; those that name what there is not are left out."""
    page = (Path(__file__).parents[3] / "docs/guides/segments.md").read_text()
    shown = [json.loads(one) for one in re.findall(r"^\|.*`(\{.*\})` \|$", page, re.MULTILINE)]
    some = [one for one in shown if not {"segment", "list", "defined"} & {*_words(one)}]
    assert len(some) > 20
    for rule in [*some, {"and": some[:15]}, {"or": [{"not": one} for one in some[15:]]}]:
        answer = await client.post("/v1/segments/preview", json={"rule": rule})
        assert answer.status_code == 200, (rule, answer.text)


def _words(rule: Any) -> Iterator[str]:
    """The names of all fields of a document."""
    for one in rule.values() if isinstance(rule, dict) else rule if isinstance(rule, list) else ():
        yield from _words(one)
    yield from rule if isinstance(rule, dict) else ()


@pytest.mark.integration
async def test_what_looks_back_further_than_events_are_kept_is_said(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    rule = {"and": [RULE, {"performed": "Cart", "within": {"last": "30d"}}]}
    made = (await client.post("/v1/segments", json={"name": "Carts", "rule": rule})).json()
    assert made["warnings"] == []
    # The setting is shortened afterwards.
    app = patient_app("segment")
    add_routes(app, *routers(engine, engine, EVENT_KEY, MEANS, events_kept=timedelta(days=29)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://segment", headers=client.headers
    ) as one:
        shown = (await one.get(f"/v1/segments/{made['id']}")).json()
        tried = (await one.post("/v1/segments/preview", json={"rule": rule})).json()
        [listed] = (await one.get("/v1/segments")).json()["items"]
    said = "looks back further than the 29 days for which events are kept"
    assert shown["warnings"] == [{"path": "and[1]", "message": said}]
    assert listed == shown
    assert shown["warnings"][0] in tried["hints"]


@pytest.mark.integration
async def test_what_is_asked_grows_with_the_parts_of_a_rule_and_not_faster(
    engine: AsyncEngine,
) -> None:
    longest = 0

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        nonlocal longest
        longest = max(longest, len(statement))

    async def asked(parts: int) -> int:
        nonlocal longest
        longest = 0
        some = [{"trait": "a", "op": "contains", "value": f"x{number}"} for number in range(parts)]
        async with engine.begin() as tx:
            rule = parse({"and": some})
            await previews.tally(tx, "acme", rule, {}, now=clock.now(), channels=())
        return longest

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        assert await asked(400) < 5 * await asked(100)
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
