"""The bodies of scores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from rapport_feedback.domain import nps
from rapport_feedback.domain.questions import Scale, kind_of
from rapport_feedback.domain.scores import Change, Unit, measured
from rapport_feedback.domain.surveys import Kind, Survey
from rapport_feedback.handlers.survey_scores import Measure, Point, Result, Scored


class Figures(BaseModel):
    """`score` with its 95 % interval, null when nobody has answered, or too few anonymously."""

    n: int = Field(description="People.")
    score: float | None
    low: float | None
    high: float | None
    counts: dict[int, int] = Field(description="{score: people}.")


class Group(Figures):
    """Those who answered with this in their context; empty: with nothing."""

    value: str


class ChangeView(BaseModel):
    """From the wave or time before: the difference, its 95 % interval, the p value."""

    before: Figures
    difference: float
    low: float
    high: float
    p: float
    significant: bool

    @classmethod
    def of(cls, before: Scored, change: Change) -> Self:
        """A change, and from what."""
        return cls(
            before=Figures(**figures(before)),
            difference=rounded(change.difference) or 0.0,
            low=rounded(change.low) or 0.0,
            high=rounded(change.high) or 0.0,
            p=round(change.p, 4),
            significant=change.is_significant,
        )


class ScoreView(Figures):
    """What a survey has come to.

    `score` is what `unit` says: `nps` from -100 to 100, `share` in per cent, `mean` on the scale
    of the question. `nps`, `promoters`, `passives` and `detractors` are of NPS only. `rate` is
    answers to links that were `invited`; an anonymous survey has none.
    """

    kind: Kind
    unit: Unit
    question: str
    measure: Measure
    wave: int | None
    begins_at: datetime | None
    ends_at: datetime | None
    nps: float | None
    promoters: int | None
    passives: int | None
    detractors: int | None
    invited: int
    rate: float | None
    held: int = Field(description="Anonymous answers that wait for others with the same context.")
    groups: list[Group]
    change: ChangeView | None

    @classmethod
    def of(cls, result: Result, measure: Measure) -> Self:
        """A score with what it stands on."""
        how, asked, whole = measured(result.question), result.asked, result.whole
        counts = nps.count(dict(whole.counts)) if how == "nps" else None
        is_known = result.invited > 0
        return cls(
            **figures(whole),
            kind=Kind(kind_of(result.question)),
            unit=how,
            question=result.question.id,
            measure=measure,
            wave=asked.wave,
            begins_at=asked.since,
            ends_at=asked.until,
            nps=rounded(whole.estimate.value) if counts else None,
            promoters=counts.promoters if counts else None,
            passives=counts.passives if counts else None,
            detractors=counts.detractors if counts else None,
            invited=result.invited,
            rate=round(min(1.0, result.answered / result.invited), 4) if is_known else None,
            held=result.held,
            groups=[Group(value=name, **figures(one)) for name, one in result.groups.items()],
            change=ChangeView.of(result.before, result.change)
            if result.before and result.change
            else None,
        )


class TrendPoint(Figures):
    """The score of a wave."""

    wave: int


class TrendView(BaseModel):
    """The score of each of the last waves, the oldest first."""

    id: str = Field(description="The survey.")
    kind: Kind
    unit: Unit
    points: list[TrendPoint]

    @classmethod
    def of(cls, survey: Survey, question: Scale, points: Sequence[Point]) -> Self:
        """The trend of a survey."""
        return cls(
            id=str(survey.survey_id),
            kind=survey.kind,
            unit=measured(question),
            points=[TrendPoint(wave=one.wave, **figures(one.scored)) for one in points],
        )


def figures(scored: Scored) -> dict[str, Any]:
    """The fields of Figures."""
    found = scored.estimate
    return {
        "n": found.n,
        "score": rounded(found.value),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "counts": dict(scored.counts),
    }


def rounded(value: float | None) -> float | None:
    """As it is told: two digits."""
    return None if value is None else round(value, 2)
