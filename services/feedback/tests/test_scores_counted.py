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


@pytest.mark.parametrize("seed", range(5))
async def test_each_person_counts_once_with_what_they_said_last(
    service: Service, seed: int
) -> None:
    chance, survey = random.Random(seed), UUID(await service.survey())
    names = [f"n{number}" for number in range(8)]
    # Several names of one person, and names that two profiles have for a while.
    named = {
        (name, f"p{chance.randrange(4)}") for name in names for _ in range(chance.randrange(3))
    }
    owner = {name: min(p for n, p in named if n == name) for name, _ in named}
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
    since, until = BEGAN + timedelta(days=1), BEGAN + timedelta(days=3)
    async with service.engine.begin() as tx:
        for name, profile in sorted(named):
            given = {"ws": service.workspace, "value": name, "profile": profile}
            await tx.execute(_IDENTITY, given)
        for one in answers:
            given = {"ws": service.workspace, "survey": survey, **one._asdict()}
            await tx.execute(_ANSWER, given)
        all_time = Asked(service.workspace, survey, by="product")
        of_days = Asked(service.workspace, survey, since=since, until=until)
        of_wave = Asked(service.workspace, survey, wave=2)
        told = [await survey_scores.score_counts(tx, one) for one in (all_time, of_days, of_wave)]
        waves = await survey_scores.counts_of_waves(tx, service.workspace, survey, 2)
    chosen: list[Callable[[Answer], bool]] = [
        lambda _: True,
        lambda one: since < one.at <= until,
        lambda one: one.wave == 2,
    ]
    for got, which in zip(told, chosen, strict=True):
        wanted = latest(answers, owner, which)
        assert sum(sum(part.values()) for part in got.values()) == len(wanted)
        for one in wanted:
            part = one.product if got is told[0] else ""
            assert one.score is not None
            got[part][one.score] -= 1
        assert not any(many for part in got.values() for many in part.values())
    for wave in (2, 3):
        wanted = latest(answers, owner, lambda one, wave=wave: one.wave == wave)  # type: ignore[misc]
        scores = [one.score for one in wanted]
        assert waves.get(wave, {}) == {one: scores.count(one) for one in set(scores)}
    assert 1 not in waves
