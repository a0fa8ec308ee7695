"""What follows from an answer: a case for somebody to work on, by rules that are data."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID, uuid5

from msgspec import Meta, Struct, field

from rapport_feedback.domain import survey_conditions as conditions
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.questions import Id, Value, score_of
from rapport_feedback.domain.survey_conditions import ConditionError
from rapport_feedback.domain.survey_forms import CONDITION, Form

MAX_RULES = 20
MAX_TOLD = 2000
"""Characters of the comment that are repeated in a note."""

_NAMES = UUID("6f1f6a0e-5c39-4a6a-8d0e-1b7a4b1b0a57")
Word = Annotated[str, Meta(max_length=100)]


class NewCase(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the case is from the start; its clocks go by the policy for that."""

    subject: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    severity: Severity = Severity.NORMAL
    category: Word = ""
    product: Word = ""
    tier: Word = ""
    team: Word = ""
    owner: Word = ""


class FollowUp(
    Struct, frozen=True, forbid_unknown_fields=True, rename={"when": "if"}, kw_only=True
):
    """One rule; its id makes it one case for each answer, whatever becomes of the answer."""

    id: Id
    when: CONDITION
    case: NewCase = NewCase()


class FollowUps(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a survey; each that holds opens a case."""

    rules: Annotated[list[FollowUp], Meta(max_length=MAX_RULES)] = field(default_factory=list)


def problems(told: FollowUps, form: Form) -> list[tuple[str, str]]:
    """(path, what is wrong) against the form of now."""
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    for at, rule in enumerate(told.rules):
        if rule.id in seen:
            found.append((f"rules[{at}].id", "is that of a rule before"))
        seen.add(rule.id)
        try:
            conditions.read(rule.when, form.questions)
        except ConditionError as error:
            found.append((f"rules[{at}].if", str(error)))
    return found


def called_for(rule: FollowUp, form: Form, answers: Mapping[str, Value]) -> bool:
    """Whether an answer is such; one to a version without the question is not.

    Before anything that the rule looks at is answered, nothing follows: "no promoter" is said of
    who has given a score.
    """
    try:
        condition = conditions.read(rule.when, form.questions)
    except ConditionError:
        return False
    if not conditions.asked_of(condition) & answers.keys():
        return False
    return conditions.holds(condition, answers)


def case_id(response_id: UUID, rule: FollowUp) -> UUID:
    """The case of an answer by a rule: the same one however often it is asked for."""
    return uuid5(_NAMES, f"{response_id}/{rule.id}")


def subject_of(rule: FollowUp, name: str, form: Form, answers: Mapping[str, Value]) -> str:
    """What the case is about: what the rule says, or the survey and the score."""
    score = score_of(form.lead, answers) if form.lead is not None else None
    told = name if score is None else f"{name}: {score}"
    return rule.case.subject or told[:200]


def words_of(form: Form, answers: Mapping[str, Value]) -> str:
    """What the person has written beside the score."""
    return str(answers.get(form.comment.id, "")) if form.comment is not None else ""


def change_of(
    form: Form, before: Mapping[str, Value], after: Mapping[str, Value], *, still: bool
) -> str:
    """What of an answer has become otherwise, for who works on its case; empty: nothing to tell."""
    told: list[str] = []
    if form.lead is not None:
        was, now = score_of(form.lead, before), score_of(form.lead, after)
        if was != now:
            told.append(f"The score was changed from {was} to {now}.")
    if told and not still:
        told.append("It no longer calls for this case.")
    words = words_of(form, after)
    if words and words != words_of(form, before):
        told.append(f"They wrote: {words[:MAX_TOLD]}")
    return " ".join(told)
