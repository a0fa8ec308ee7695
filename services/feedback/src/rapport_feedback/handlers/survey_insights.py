"""What is behind the score of a wave: weighted by who did not answer, and what goes with it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError
from rapport_feedback.domain import drivers as driving
from rapport_feedback.domain.drivers import Drivers
from rapport_feedback.domain.questions import Scale
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import Survey
from rapport_feedback.domain.weighting import Stratum, Weighing, weigh
from rapport_feedback.handlers.survey_scores import Scored, counted, scored, wave_of
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store.survey_insights import Joint, invited_by
from rapport_feedback.store.survey_scores import Asked


@dataclass(frozen=True, slots=True)
class Weighed:
    """The score of a wave as it is, and with weights; `strata` are told apart by a dimension."""

    survey: Survey
    question: Scale
    wave: int
    plain: Scored
    strata: list[Stratum]
    weighing: Weighing


@dataclass(frozen=True, slots=True)
class Driven:
    """What the score of a wave goes with."""

    survey: Survey
    question: Scale
    form: Form
    wave: int
    drivers: Drivers


class NoInvitationsError(ConflictError):
    """Of an anonymous survey nobody knows who did not answer."""

    code = "anonymous"

    def __init__(self) -> None:
        super().__init__(
            "This survey is anonymous: nobody is invited by name, so there is no response rate to "
            "weight by. GET …/score has its score."
        )


async def weighted(
    tx: AsyncConnection,
    surveys: Surveys,
    workspace: str,
    survey_id: UUID,
    *,
    wave: int | None,
    by: str,
) -> Weighed:
    """The score of a wave, weighted by the response rate of each group; NoInvitationsError."""
    survey, form = await surveys.form(tx, workspace, survey_id)
    if survey.anonymous:
        raise NoInvitationsError
    question, chosen = counted(form, None), wave_of(survey, wave)
    groups = await scored(tx, question, Asked(workspace, survey_id, wave=chosen, by=by))
    invited = await invited_by(tx, workspace, survey_id, chosen, by)
    strata = [
        Stratum(name, invited.get(name, 0), groups.get(name, {}))
        for name in sorted({*invited, *groups})
    ]
    plain = Scored.of(survey, question, *groups.values())
    return Weighed(survey, question, chosen, plain, strata, weigh(question, strata))


async def driven(
    tx: AsyncConnection, surveys: Surveys, workspace: str, survey_id: UUID, wave: int | None
) -> Driven:
    """The scored questions that go with the leading one, of who has answered them all."""
    survey, form = await surveys.form(tx, workspace, survey_id)
    lead, chosen = counted(form, None), wave_of(survey, wave)
    others = [
        one for one in form.questions.values() if isinstance(one, Scale) and one.id != lead.id
    ]
    if not others:
        return Driven(survey, lead, form, chosen, driving.driving([], [], []))
    whole, *each = await Joint(workspace, survey_id, chosen, [lead, *others]).answered(tx)
    told = sorted(zip(each, others, strict=True), key=lambda one: -one[0])[: driving.MOST]
    kept = [one for many, one in told if many >= driving.SELDOM * whole]
    left = [one.id for one in others if one not in kept]
    sums = await Joint(workspace, survey_id, chosen, [lead, *kept]).sums(tx) if kept else []
    found = driving.driving([one.id for one in kept], sums, left)
    return Driven(survey, lead, form, chosen, found)
