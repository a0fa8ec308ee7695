"""The HTTP side of feedback: routes for staff and pages for customers."""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.brands import brand_routes
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_feedback.api.calendars import calendar_routes, calendar_use_routes
from rapport_feedback.api.case_policies import policy_routes, policy_use_routes
from rapport_feedback.api.cases import case_change_routes, case_routes, one_case_routes
from rapport_feedback.api.public import survey_pages
from rapport_feedback.api.survey_insights import insight_routes
from rapport_feedback.api.survey_scores import score_routes
from rapport_feedback.api.surveys import (
    form_routes,
    invitation_routes,
    survey_change_routes,
    survey_routes,
)
from rapport_feedback.api.webhooks import hook_routes
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.survey_answers import SurveyAnswers
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.settings import Settings
from rapport_feedback.tables import SCHEMA


def cases_of(publisher: Publisher, settings: Settings) -> Cases:
    """The use cases of complaints, with the settings put in."""
    return Cases(publisher, settings.service_levels(), per_link=settings.complaints_per_link)


def routers(engine: AsyncEngine, publisher: Publisher, settings: Settings) -> list[APIRouter]:
    """All routes of this service, over the use cases with the settings put in."""
    link_key = key_bytes(settings.link_key)
    surveys = Surveys(link_key=link_key, lifetime=timedelta(days=settings.invitation_days))
    grace = timedelta(minutes=settings.answer_grace_minutes)
    answers = SurveyAnswers(publisher, link_key=link_key, grace=grace)
    cases = cases_of(publisher, settings)
    return [
        survey_routes(engine, surveys),
        survey_change_routes(engine, surveys),
        form_routes(engine, surveys),
        invitation_routes(engine, surveys, settings.link_base()),
        score_routes(engine, surveys),
        insight_routes(engine, surveys),
        case_routes(engine, cases),
        one_case_routes(engine, cases),
        case_change_routes(engine, cases),
        calendar_routes(engine, cases.levels),
        calendar_use_routes(engine, cases.levels),
        policy_routes(engine, cases.levels),
        policy_use_routes(engine, cases.levels),
        *hook_routes(engine, settings),
        brand_routes(engine, SCHEMA, "feedback"),
        survey_pages(engine, answers, cases),
    ]
