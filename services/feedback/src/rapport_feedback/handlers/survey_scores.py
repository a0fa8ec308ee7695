"""What surveys have come to: by wave, within a time, or by what each person said last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_feedback.domain import scores
from rapport_feedback.domain.questions import Scale
from rapport_feedback.domain.scores import Change, Counts, Estimate
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import LEAST_ANONYMOUS, Survey
from rapport_feedback.domain.withholding import withheld
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import survey_batches
from rapport_feedback.store import survey_scores as store
from rapport_feedback.store.survey_scores import Asked

MAX_GROUPS = 100
MAX_POINTS = 60


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Measure(StrEnum):
    """Which answers count, each person's latest among them."""

    WAVE = "wave"
    ROLLING = "rolling"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; `until` and `days` are of the rolling measure."""

    measure: Measure
    until: datetime
    days: int = 30
    wave: int | None = None
    question: str | None = None
    by: str | None = None
    compare: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """A score and what it stands on."""

    counts: Counts
    estimate: Estimate

    @classmethod
    def of(cls, survey: Survey, question: Scale, *parts: Counts) -> "Scored":
        """The score of several groups together; none of few people where they are nobody."""
        counts = scores.pooled(*parts)
        people = sum(counts.values())
        if survey.anonymous and people < LEAST_ANONYMOUS:
            return cls({}, Estimate(people))
        return cls(counts, scores.estimate(question, counts))


@dataclass(frozen=True, slots=True)
class Result:
    """What was asked for; `invited`, `answered` are links, `before` is what it is compared with."""

    survey: Survey
    question: Scale
    asked: Asked
    whole: Scored
    invited: int
    answered: int
    groups: dict[str, Scored]
    held: int
    before: Scored | None
    change: Change | None


@dataclass(frozen=True, slots=True)
class Point:
    """A score of a wave."""

    wave: int
    scored: Scored


async def score(
    tx: AsyncConnection, surveys: Surveys, workspace: str, survey_id: UUID, wanted: Wanted
) -> Result:
    """The score of a survey, or of another question of it.

    NotFoundError when there has been no such wave, InvalidRequestError for a question that has no
    score.
    """
    survey, form = await surveys.form(tx, workspace, survey_id)
    question = counted(form, wanted.question)
    is_lead = form.lead is not None and question.id == form.lead.id
    asked = _asked(survey, wanted, None if is_lead else question.id)
    groups = await scored(tx, question, asked)
    # A person has one latest answer, so no person is in two groups: they can be pooled.
    whole = Scored.of(survey, question, *groups.values())
    before = await _before(tx, survey, question, asked) if wanted.compare else None
    return Result(
        survey=survey,
        question=question,
        asked=asked,
        whole=whole,
        invited=await store.invited_count(tx, asked),
        answered=await store.answered_count(tx, asked),
        groups=_told(survey, question, groups) if wanted.by else {},
        held=await survey_batches.held_count(tx, workspace, survey_id) if survey.anonymous else 0,
        before=before,
        change=scores.change(before.estimate, whole.estimate) if before else None,
    )


async def trend(
    tx: AsyncConnection, surveys: Surveys, workspace: str, survey_id: UUID
) -> tuple[Survey, Scale, list[Point]]:
    """The score of each of the last waves."""
    survey, form = await surveys.form(tx, workspace, survey_id)
    question = counted(form, None)
    first = max(1, survey.wave - MAX_POINTS + 1)
    found = await store.counts_of_waves(tx, workspace, survey_id, first)
    points = [
        Point(wave, Scored.of(survey, question, found.get(wave, {})))
        for wave in range(first, survey.wave + 1)
    ]
    return survey, question, points


def counted(form: Form, question_id: str | None) -> Scale:
    """The question whose score is asked for, the leading one by default; InvalidRequestError."""
    found = form.lead if question_id is None else form.questions.get(question_id)
    if isinstance(found, Scale):
        return found
    known = [one.id for one in form.questions.values() if isinstance(one, Scale)]
    told = f"These have: {', '.join(known)}." if known else "None of this survey has."
    message = f"{question_id or 'The survey'} has no score. {told}"
    raise InvalidRequestError(message, details={"questions": known})


def _asked(survey: Survey, wanted: Wanted, question: str | None) -> Asked:
    if survey.anonymous and question is not None and wanted.measure is not Measure.WAVE:
        # Batches have enough answers to the leading question only, and waves are disjoint.
        message = f"Of an anonymous survey {question} has a score by wave only."
        raise InvalidRequestError(message, details={"measure": wanted.measure})
    asked = Asked(survey.workspace, survey.survey_id, question, by=wanted.by)
    if wanted.measure is Measure.LATEST:
        return asked
    if wanted.measure is Measure.ROLLING:
        if not EARLIEST <= wanted.until <= LATEST:
            message = f"until: give a time from {EARLIEST:%Y} to {LATEST:%Y}."
            raise InvalidRequestError(message, details={"until": wanted.until.isoformat()})
        since = wanted.until - timedelta(days=wanted.days)
        return replace(asked, since=since, until=wanted.until)
    return replace(asked, wave=wave_of(survey, wanted.wave))


def wave_of(survey: Survey, wave: int | None) -> int:
    """The wave that is asked for, the current one by default; NotFoundError: there was none."""
    if wave is not None and wave > survey.wave:
        message = f"The survey has had no wave {wave}; the current one is {survey.wave}."
        raise NotFoundError(message, details={"wave": wave, "current": survey.wave})
    return wave or survey.wave


async def _before(
    tx: AsyncConnection, survey: Survey, question: Scale, asked: Asked
) -> Scored | None:
    """The wave before, or the same time before; None where nothing was before."""
    if asked.wave is not None and asked.wave > 1:
        earlier = replace(asked, wave=asked.wave - 1, by=None)
    elif asked.since is not None and asked.until is not None:
        earlier = replace(
            asked, since=asked.since - (asked.until - asked.since), until=asked.since, by=None
        )
    else:
        return None
    found = await scored(tx, question, earlier)
    return Scored.of(survey, question, *found.values())


async def scored(tx: AsyncConnection, question: Scale, asked: Asked) -> dict[str, dict[int, int]]:
    """Counts by group; what no answer to this question can be is not among them."""
    found = await store.score_counts(tx, asked)
    scale = range(question.lowest, question.highest + 1)
    return {
        name: {score: people for score, people in counts.items() if score in scale}
        for name, counts in found.items()
    }


def _told(survey: Survey, question: Scale, groups: Mapping[str, Counts]) -> dict[str, Scored]:
    """The largest groups; of an anonymous survey without what could be subtracted from the rest."""
    people = {name: sum(counts.values()) for name, counts in groups.items()}
    hidden = withheld(people, LEAST_ANONYMOUS) if survey.anonymous else frozenset()
    return {
        name: Scored({}, Estimate(people[name]))
        if name in hidden
        else Scored.of(survey, question, counts)
        for name, counts in _most(groups).items()
    }


def _most(groups: Mapping[str, Counts]) -> dict[str, Counts]:
    """The groups with the most answers, by name where they have as many."""
    ordered = sorted(groups.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    return dict(ordered[:MAX_GROUPS])
