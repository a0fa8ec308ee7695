"""The HTTP side of feedback: routes for staff and pages for customers."""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.brands import brand_routes
from rapport_common.events.topics import MESSAGE_REQUESTS
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_feedback.api.answers import answer_routes
from rapport_feedback.api.arrivals import address_routes, arrival_routes, complaint_form_routes
from rapport_feedback.api.askings import asking_change_routes, asking_routes
from rapport_feedback.api.attachments import attachment_routes
from rapport_feedback.api.calendars import calendar_routes, calendar_use_routes
from rapport_feedback.api.case_merging import link_routes, merge_routes
from rapport_feedback.api.case_policies import policy_routes, policy_use_routes
from rapport_feedback.api.case_work import assign_routes, bulk_routes, live_routes
from rapport_feedback.api.cases import case_change_routes, case_routes, one_case_routes
from rapport_feedback.api.catalogue import catalogue_routes
from rapport_feedback.api.complaint_pages import complaint_pages
from rapport_feedback.api.connectors import Secrets, connector_routes, connector_use_routes
from rapport_feedback.api.contact_policy import contact_policy_routes, why_not_routes
from rapport_feedback.api.desk import agent_routes, queue_routes, team_routes
from rapport_feedback.api.follow_ups import follow_up_routes
from rapport_feedback.api.inbox import inbox_routes, presence_routes, search_routes, view_routes
from rapport_feedback.api.posters import poster_routes, snippet_routes
from rapport_feedback.api.public import survey_pages
from rapport_feedback.api.redress import action_routes, redress_routes
from rapport_feedback.api.survey_insights import insight_routes
from rapport_feedback.api.survey_scores import score_routes
from rapport_feedback.api.surveys import (
    form_routes,
    invitation_routes,
    survey_change_routes,
    survey_routes,
)
from rapport_feedback.api.text_topics import model_routes, topic_routes, topic_use_routes
from rapport_feedback.api.texts import one_text_routes, text_routes
from rapport_feedback.api.webhooks import hook_routes
from rapport_feedback.handlers.answering import Answering
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.handlers.asking import Askers
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.connecting import Connecting
from rapport_feedback.handlers.follow_ups import FollowingUp
from rapport_feedback.handlers.merging import Merging
from rapport_feedback.handlers.redress import Redress
from rapport_feedback.handlers.survey_answers import SurveyAnswers
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.settings import Settings
from rapport_feedback.tables import SCHEMA


def cases_of(publisher: Publisher, settings: Settings) -> Cases:
    """The use cases of complaints, with the settings put in."""
    return Cases(publisher, settings.service_levels(), per_link=settings.complaints_per_link)


def askers_of(settings: Settings) -> Askers:
    """Who carries out standing orders, with the settings put in."""
    requests = Publisher(SCHEMA, MESSAGE_REQUESTS)
    return Askers(requests, key_bytes(settings.link_key), settings.link_base())


def work_routes(engine: AsyncEngine, cases: Cases, merging: Merging) -> list[APIRouter]:
    """Those of the work on cases; such as /v1/cases/search come before those with an id."""
    assigning = Assigning(cases)
    return [
        inbox_routes(engine),
        search_routes(engine),
        bulk_routes(engine),
        live_routes(engine),
        view_routes(engine),
        presence_routes(engine, cases),
        assign_routes(engine, assigning),
        merge_routes(engine, merging),
        link_routes(engine, merging),
        agent_routes(engine),
        team_routes(engine),
        queue_routes(engine, assigning),
    ]


def routers(engine: AsyncEngine, publisher: Publisher, settings: Settings) -> list[APIRouter]:
    """All routes of this service, over the use cases with the settings put in."""
    link_key = key_bytes(settings.link_key)
    surveys = Surveys(link_key=link_key, lifetime=timedelta(days=settings.invitation_days))
    grace = timedelta(minutes=settings.answer_grace_minutes)
    cases = cases_of(publisher, settings)
    answers = SurveyAnswers(publisher, FollowingUp(cases), link_key=link_key, grace=grace)
    return [
        # First what is asked for most: routes are tried in their order.
        survey_pages(engine, answers, cases),
        survey_routes(engine, surveys),
        survey_change_routes(engine, surveys),
        form_routes(engine, surveys),
        invitation_routes(engine, surveys, settings.link_base()),
        poster_routes(engine, surveys, settings.link_base()),
        snippet_routes(),
        score_routes(engine, surveys),
        contact_policy_routes(engine),
        why_not_routes(engine, surveys),
        follow_up_routes(engine, surveys),
        asking_routes(engine),
        asking_change_routes(engine),
        insight_routes(engine, surveys),
        case_routes(engine, cases),
        *work_routes(engine, cases, Merging(cases, publisher)),
        one_case_routes(engine, cases),
        case_change_routes(engine, cases),
        calendar_routes(engine, cases.levels),
        calendar_use_routes(engine, cases.levels),
        policy_routes(engine, cases.levels),
        policy_use_routes(engine, cases.levels),
        text_routes(engine),
        one_text_routes(engine),
        topic_routes(engine),
        topic_use_routes(engine),
        model_routes(engine),
        *hook_routes(engine, settings),
        brand_routes(engine, SCHEMA, "feedback"),
        *intake_routers(engine, Arriving(cases, publisher), settings),
    ]


def intake_routers(engine: AsyncEngine, arriving: Arriving, settings: Settings) -> list[APIRouter]:
    """The routes by which complaints come in."""
    link_key, publisher = key_bytes(settings.link_key), arriving.publisher
    requests = Publisher(SCHEMA, MESSAGE_REQUESTS)
    secrets = Secrets(link_key, settings.link_base())
    return [
        *catalogue_routes(engine),
        connector_routes(engine, secrets),
        connector_use_routes(engine, secrets, Connecting(arriving)),
        answer_routes(engine, Answering(arriving.cases, requests, link_key)),
        redress_routes(engine, Redress(arriving.cases, publisher)),
        action_routes(engine),
        complaint_form_routes(engine, link_key, settings.link_base()),
        address_routes(engine),
        arrival_routes(engine, arriving),
        attachment_routes(engine),
        complaint_pages(engine, arriving, link_key),
    ]
