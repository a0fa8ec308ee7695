"""Rules on computed traits: what profile has told of these, and what can be asked of each."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.errors import InvalidEvent
from rapport_common.events.trait import TraitDefinition, TraitType
from rapport_common.kafka.batch import Record
from rapport_segment.domain.defined import check, leaves
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rules import parse
from rapport_segment.handlers import previewing, segments
from rapport_segment.handlers.trait import on_trait
from rapport_segment.store import traits

OPERATOR = Operator("ada", "acme", frozenset({"*"}))
TYPES: dict[str, TraitType] = {
    "orders": "number",
    "spent": "money",
    "bought_at": "time",
    "favourite": "text",
    "viewed": "list",
}


def asked(name: str, op: str, value: Any = None, **more: str) -> dict[str, Any]:
    document = {"defined": name, "op": op, **more}
    return document if value is None else {**document, "value": value}


@pytest.mark.parametrize(
    "rule",
    [
        asked("orders", "gte", 3),
        asked("spent", "gte", "20", currency="EUR"),
        asked("spent", "exists"),
        asked("bought_at", "lt", "2026-01-31"),
        asked("favourite", "starts_with", "te"),
        asked("viewed", "eq", "tea"),
        asked("viewed", "gt", 1, of="size"),
        asked("bought_at", "within", {"last": "1d"}),
        {"trait": "plan", "op": "exists"},
    ],
)
def test_what_can_be_asked(rule: dict[str, Any]) -> None:
    check(leaves(parse({"and": [{"not": rule}, {"or": [rule]}]})), TYPES)


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        (asked("luck", "exists"), "and[0].not.defined"),
        (asked("spent", "gte", "20"), "and[0].not.currency"),
        (asked("orders", "gte", "20", currency="EUR"), "and[0].not.currency"),
        (asked("orders", "contains", "2"), "and[0].not.op"),
        (asked("viewed", "gt", "a"), "and[0].not.op"),
        (asked("orders", "within", {"last": "1d"}), "and[0].not.op"),
        (asked("favourite", "lt", {"now": "-1d"}), "and[0].not.value"),
        (asked("favourite", "gt", 1, of="size"), "and[0].not.of"),
    ],
)
def test_what_can_not_is_said_with_its_place(rule: dict[str, Any], where: str) -> None:
    with pytest.raises(RuleError) as refused:
        check(leaves(parse({"and": [{"not": rule}]})), TYPES)
    assert refused.value.details == {"path": where}


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        (asked("Orders", "exists"), "defined"),
        (asked("orders", "eq", 1, currency="XX"), "currency"),
        (asked("orders", "exists", unit="day"), "rule"),
    ],
)
def test_what_can_not_be_read(rule: dict[str, Any], where: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse(rule)
    assert refused.value.details == {"path": where}


def told(name: str, version: int, **more: Any) -> TraitDefinition:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    fields = {"type": "number", "at": at, **more}
    return TraitDefinition(workspace="acme", name=name, version=version, **fields)


async def bring(engine: AsyncEngine, *values: TraitDefinition) -> None:
    batch = [Record("profile.trait", 0, at, b"", one) for at, one in enumerate(values)]
    async with engine.begin() as tx:
        await on_trait(batch, tx)


@pytest.mark.integration
async def test_the_newest_version_holds_whichever_comes_first(engine: AsyncEngine) -> None:
    await bring(engine, told("a", 2), told("a", 1, type="list"), told("b", 1))
    await bring(engine, told("a", 1, type="list"), told("b", 2, ended=True), told("c", 1))
    async with engine.begin() as tx:
        assert await traits.types(tx, "acme") == {"a": "number", "c": "number"}
        assert await traits.types(tx, "other") == {}
    with pytest.raises(InvalidEvent):
        await bring(engine, told("a\0", 3))


@pytest.mark.integration
async def test_a_segment_is_refused_until_its_traits_are_known(engine: AsyncEngine) -> None:
    rule = asked("orders", "gte", 3)
    with pytest.raises(RuleError, match="there is no computed trait 'orders' here"):
        async with engine.begin() as tx:
            await segments.create(tx, OPERATOR, "Buyers", rule)
    await bring(engine, told("orders", 1))
    async with engine.begin() as tx:
        assert (await segments.create(tx, OPERATOR, "Buyers", rule)).stored.name == "Buyers"
        assert (await previewing.preview(tx, "acme", rule)).tallied.everybody == 0
