"""Answers become cases: by the rules of their survey, once each, whatever is answered later."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidRequestError
from rapport_feedback import metrics
from rapport_feedback.domain import follow_ups as rules
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.follow_ups import FollowUp, FollowUps
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import Invitation, Response
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import cases as case_store
from rapport_feedback.store import follow_ups as store
from rapport_feedback.store import surveys as survey_store
from rapport_feedback.store.follow_ups import Version

ACTOR = "survey"


async def declare(
    tx: AsyncConnection,
    workspace: str,
    survey_id: UUID,
    told: FollowUps,
    form: Form,
    *,
    actor: str,
) -> Version:
    """Let these rules hold for answers from now on; the same ones again make no version.

    InvalidRequestError tells what is wrong with them.
    """
    wrong = rules.problems(told, form)
    if form.anonymous and told.rules:
        wrong.append(("rules", "nobody can be helped whose answers are anonymous"))
    if wrong:
        details = [{"path": path, "message": message} for path, message in wrong]
        raise InvalidRequestError(f"{wrong[0][0]} {wrong[0][1]}.", details={"problems": details})
    await survey_store.survey(tx, workspace, survey_id, lock=True)
    before = await store.current(tx, workspace, survey_id)
    if before.document == told:
        return before
    await store.add(tx, workspace, survey_id, Version(before.version + 1, told, actor))
    return await store.current(tx, workspace, survey_id)


@dataclass(frozen=True, slots=True)
class FollowingUp:
    """Carries the rules out in the transaction of the answer, whose link is locked."""

    cases: Cases

    async def answered(
        self,
        tx: AsyncConnection,
        invitation: Invitation,
        form: Form,
        *,
        before: Response | None,
        after: Response,
        now: datetime,
    ) -> None:
        """Open the cases that an answer calls for; those that it has are told what changed."""
        told = await store.current(tx, invitation.workspace, invitation.survey_id)
        for rule in told.document.rules:
            case_id = rules.case_id(after.response_id, rule)
            known = await case_store.case(tx, invitation.workspace, case_id) if before else None
            is_called_for = rules.called_for(rule, form, after.answers)
            if known is not None and before is not None:
                change = rules.change_of(form, before.answers, after.answers, still=is_called_for)
                if change:
                    # What it was merged into goes on; whoever answers need not know.
                    going_on = await self.cases.going_on(tx, known)
                    await self.cases.note(
                        tx,
                        invitation.workspace,
                        going_on.case_id,
                        NewEntry("note", change),
                        actor=ACTOR,
                        now=now,
                    )
            elif is_called_for:
                await self._open(tx, invitation, form, answer=after, rule=rule, now=now)

    async def _open(
        self,
        tx: AsyncConnection,
        invitation: Invitation,
        form: Form,
        *,
        answer: Response,
        rule: FollowUp,
        now: datetime,
    ) -> None:
        survey = await survey_store.survey(tx, invitation.workspace, invitation.survey_id)
        name = survey.name if survey is not None else ""
        given: dict[str, Any] = msgspec.structs.asdict(rule.case)
        del given["subject"]
        given["product"] = given["product"] or invitation.context.get("product", "")
        await self.cases.open(
            tx,
            invitation.workspace,
            rules.case_id(answer.response_id, rule),
            invitation.contact,
            subject=rules.subject_of(rule, name, form, answer.answers),
            body=rules.words_of(form, answer.answers),
            actor=ACTOR,
            now=now,
            fields=Fields(**given),
        )
        metrics.CASES.labels(State.RECEIVED).inc()
