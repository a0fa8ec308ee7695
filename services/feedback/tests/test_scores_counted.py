"""Scores are counted in the database as by hand: whoever answers under whatever names, when."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from rapport_feedback.store import survey_scores
from rapport_feedback.store.survey_scores import Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_IDENTITY = text("INSERT INTO feedback.identity VALUES (:ws, 'user_id', :value, :profile)")
_ANSWER = text(
    "INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, value, score, "
    "comment, revision, answered_at, revised_at, state, context) VALUES (:ws, :id, :survey, "
    ":wave, 'user_id', :name, :score, '', 1, :at, :at, :state, jsonb_build_object('product', "
    "CAST(:product AS text)))"
)


class Answer(NamedTuple):
    id: UUID
    wave: int
    name: str
    score: int | None
    at: datetime
    state: str
    product: str


def latest(
    answers: list[Answer], owner: dict[str, str], chosen: Callable[[Answer], bool]
) -> list[Answer]:
    """Each person's last answer with a score, among those chosen that count."""
    found: dict[str, Answer] = {}
    for one in sorted(answers, key=lambda one: (one.at, -one.id.int)):
        if chosen(one) and one.score is not None and one.state in {"open", "complete"}:
            found[owner.get(one.name, one.name)] = one
    return list(found.values())


def drawn(chance: random.Random) -> tuple[set[tuple[str, str]], list[Answer]]:
    """(name, profile) of who is who, and answers: several names of one person, and names that two
    profiles have for a while.
    """
    names = [f"n{number}" for number in range(8)]
    named = {
        (name, f"p{chance.randrange(4)}") for name in names for _ in range(chance.randrange(3))
    }
    answers = [
        Answer(
            id=uuid4(),
            wave=wave,
            name=name,
            score=chance.choice([None, 0, 6, 9, 10]),
            at=BEGAN + timedelta(days=chance.randrange(5)),
            state=chance.choice(["open", "complete", "complete", "screened"]),
            product=chance.choice(["x", "y"]),
        )
        for name in names
        for wave in (1, 2, 3)
        if chance.random() < 0.7
    ]
    return named, answers


@pytest.mark.parametrize("seed", range(5))
async def test_each_person_counts_once_with_what_they_said_last(
    service: Service, seed: int
) -> None:
    survey = UUID(await service.survey())
    named, answers = drawn(random.Random(seed))
    owner = {name: min(p for n, p in named if n == name) for name, _ in named}
    since, until = BEGAN + timedelta(days=1), BEGAN + timedelta(days=3)
    all_time = Asked(service.workspace, survey, by="product")
    of_days = Asked(service.workspace, survey, since=since, until=until)
    of_wave = Asked(service.workspace, survey, wave=2)
    async with service.engine.begin() as tx:
        for name, profile in sorted(named):
            await tx.execute(
                _IDENTITY, {"ws": service.workspace, "value": name, "profile": profile}
            )
        for one in answers:
            await tx.execute(_ANSWER, {"ws": service.workspace, "survey": survey, **one._asdict()})
        told = [await survey_scores.score_counts(tx, one) for one in (all_time, of_days, of_wave)]
        waves = await survey_scores.counts_of_waves(tx, service.workspace, survey, 2)
    assert told[0] == counts(latest(answers, owner, lambda _: True), by_product=True)
    assert told[1] == counts(latest(answers, owner, lambda one: since < one.at <= until))
    second = counts(latest(answers, owner, lambda one: one.wave == 2))
    third = counts(latest(answers, owner, lambda one: one.wave == 3))
    assert told[2] == second
    assert waves == {wave: found[""] for wave, found in ((2, second), (3, third)) if found}


def counts(answers: list[Answer], *, by_product: bool = False) -> dict[str, dict[int, int]]:
    """As the store tells them."""
    found: dict[str, dict[int, int]] = {}
    for one in answers:
        assert one.score is not None
        part = found.setdefault(one.product if by_product else "", {})
        part[one.score] = part.get(one.score, 0) + 1
    return found
