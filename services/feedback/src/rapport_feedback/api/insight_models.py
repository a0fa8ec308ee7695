"""The bodies of what is behind a score."""

from typing import Self

from pydantic import BaseModel, Field

from rapport_feedback.api.score_models import Figures, figures, rounded
from rapport_feedback.domain.drivers import Driver
from rapport_feedback.domain.scores import Unit, measured
from rapport_feedback.domain.survey_texts import by_language
from rapport_feedback.domain.weighting import rates
from rapport_feedback.handlers.survey_insights import Driven, Weighed


class StratumView(BaseModel):
    """A group of those who were invited; empty: with nothing in their context. `weight` is that of
    each of its answers, null without one.
    """

    value: str
    invited: int
    n: int = Field(description="People who answered.")
    rate: float | None
    weight: float | None


class WeightedFigures(BaseModel):
    """`score` with its 95 % interval; worth `effective_n` equal answers."""

    score: float
    low: float
    high: float
    effective_n: float
    trimmed: bool = Field(description="Weights above 3 were cut.")


class WeightedView(BaseModel):
    """A score as it is, and weighted; `why_not` says why not."""

    unit: Unit
    wave: int
    unweighted: Figures
    weighted: WeightedFigures | None
    why_not: str | None
    strata: list[StratumView]

    @classmethod
    def of(cls, found: Weighed) -> Self:
        """A score, and what weights make of it."""
        weighing, answered = found.weighing, rates(found.strata)
        weights = {name: one.weight for one in weighing.cells for name in one.values}
        told = weighing.estimate
        return cls(
            unit=measured(found.question),
            wave=found.wave,
            unweighted=Figures(**figures(found.plain)),
            weighted=None
            if told is None
            else WeightedFigures(
                score=rounded(told.value) or 0.0,
                low=rounded(told.low) or 0.0,
                high=rounded(told.high) or 0.0,
                effective_n=round(weighing.effective or 0.0, 1),
                trimmed=weighing.is_trimmed,
            ),
            why_not=weighing.why_not,
            strata=[
                StratumView(
                    value=one.value,
                    invited=one.invited,
                    n=one.answered,
                    rate=answered[one.value],
                    weight=None if told is None else round(weights[one.value], 4),
                )
                for one in found.strata
            ],
        )


class DriverView(BaseModel):
    """`weight` is the question's part of R² with a 95 % interval, `share` of that in per cent, `r`
    its correlation with the score by itself.
    """

    question: str
    text: str
    weight: float
    low: float
    high: float
    share: float
    r: float
    certain: bool = Field(description="More than chance would give.")
    why: str


class DriversView(BaseModel):
    """What the score goes with; `r2` is how much of it all of them together."""

    question: str
    wave: int
    n: int = Field(description="People who have answered all of them.")
    r2: float | None
    drivers: list[DriverView]
    left_out: list[str] = Field(description="Answered by too few, or by all the same.")
    why_not: str | None

    @classmethod
    def of(cls, found: Driven) -> Self:
        """Drivers, with a sentence for each."""
        told = found.drivers
        return cls(
            question=found.question.id,
            wave=found.wave,
            n=told.n,
            r2=None if told.r2 is None else round(told.r2, 4),
            drivers=[_driver(found, one) for one in told.drivers],
            left_out=list(told.left_out),
            why_not=told.why_not,
        )


def _driver(found: Driven, one: Driver) -> DriverView:
    words = by_language(found.form.questions[one.question].text, found.form)
    text = words.get(found.form.languages[0]) or next(iter(words.values()))
    return DriverView(
        question=one.question,
        text=text,
        weight=round(one.weight, 4),
        low=round(one.low, 4),
        high=round(one.high, 4),
        share=round(one.share, 1),
        r=round(one.r, 4),
        certain=one.is_certain,
        why=_why(found.question.id, one),
    )


def _why(lead: str, one: Driver) -> str:
    if not one.is_certain:
        return f"{one.question} may have nothing to do with {lead}: its part could be chance."
    way = "more" if one.r > 0 else "less"
    return (
        f"Who gives more to {one.question} gives {way} to {lead}: {one.share:.0f} % of what these "
        "answers explain of it."
    )
