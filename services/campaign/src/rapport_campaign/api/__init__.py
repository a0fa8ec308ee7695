"""The HTTP side: routes for operators, and the pages behind the links of a mail."""

from functools import partial

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api import webhooks
from rapport_campaign.api.broadcasts import broadcast_routes
from rapport_campaign.api.contact_rules import contact_rules_routes
from rapport_campaign.api.coupons import coupon_routes
from rapport_campaign.api.feeds import feed_routes
from rapport_campaign.api.hooks import hook_addresses, hook_routes
from rapport_campaign.api.inbox import inbox_pages, inbox_routes
from rapport_campaign.api.mail_paces import mail_pace_routes
from rapport_campaign.api.mail_pools import mail_pool_routes
from rapport_campaign.api.messages import message_routes
from rapport_campaign.api.models import CampaignLedger
from rapport_campaign.api.offers import offer_routes
from rapport_campaign.api.operator import operator_routes
from rapport_campaign.api.opt_ins import opt_in_pages, opt_in_routes
from rapport_campaign.api.outcomes import outcome_routes
from rapport_campaign.api.preference_pages import preference_pages
from rapport_campaign.api.preferences import preference_routes
from rapport_campaign.api.products import product_routes
from rapport_campaign.api.providers import provider_routes
from rapport_campaign.api.public import Door, public_routes
from rapport_campaign.api.quotes import quote_routes
from rapport_campaign.api.recommendations import recommendation_routes
from rapport_campaign.api.sender_domains import sender_domain_routes
from rapport_campaign.api.snippets import snippet_routes
from rapport_campaign.api.suppressions import UPLOADS, suppression_routes
from rapport_campaign.api.tasks import task_routes, task_writing_routes
from rapport_campaign.api.templates import template_routes
from rapport_campaign.api.texting import texting_routes
from rapport_campaign.api.why import why_routes
from rapport_campaign.fetching import Certificates
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.feeding import asker_of
from rapport_campaign.handlers.hooks import Hooks
from rapport_campaign.handlers.ledger import counts
from rapport_campaign.handlers.opt_ins import OptIns
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.handlers.preferences import Preferences
from rapport_campaign.handlers.recommenders import Means as Asking
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.sender_domains import means_of
from rapport_campaign.handlers.track import Tracker
from rapport_campaign.render.compose import Office
from rapport_campaign.renderer import Renderer
from rapport_campaign.settings import Settings
from rapport_campaign.tables import SCHEMA
from rapport_common.brands import brand_routes
from rapport_common.composition import ServiceProcess
from rapport_common.door import Bounds
from rapport_common.kafka.store import ConsumerStore
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes

Listeners = tuple[Tracker, Preferences, OptIns, Outcomes]


def listeners(publisher: Publisher, key: bytes, office: Office, haste: float = 0) -> Listeners:
    """Who take in what recipients do and say; `publisher` writes to `events`, `key` is its key.

    Within `haste` seconds of its sending nobody has read a mail.
    """
    opt_ins = OptIns(publisher, key, office)
    outcomes = Outcomes(publisher, office.link_key)
    return Tracker(publisher, haste), Preferences(publisher, key), opt_ins, outcomes


def serve(
    process: ServiceProcess,
    publisher: Publisher,
    renderer: Renderer,
    carriers: Carriers,
    settings: Settings,
    *,
    consumer: ConsumerStore,
) -> None:
    """Add all routes of this service to a process; what each is for, see `routers`."""
    key = key_bytes(settings.event_key)
    listening = listeners(publisher, key, renderer.office, settings.scanner_seconds)
    process.ledger(CampaignLedger, partial(counts, consumer))
    process.bounds = Bounds(streams=(UPLOADS,))
    process.routers += routers(process.api_engine, listening, renderer, carriers, settings)


def routers(
    engine: AsyncEngine,
    listening: Listeners,
    renderer: Renderer,
    carriers: Carriers,
    settings: Settings,
) -> list[APIRouter]:
    """All routes of this service; `renderer` reads templates, its office's key signs links.

    `listening` are made by `listeners`; `carriers` carry what is no e-mail.
    """
    tracker, _, opt_ins, _ = listening
    arrivals = Arrivals.of(engine, settings)
    return [
        operator_routes(engine, renderer, arrivals),
        broadcast_routes(engine, renderer, arrivals),
        message_routes(engine, renderer, tracker.publisher),
        brand_routes(engine, SCHEMA, "campaigns"),
        *_contents(engine, renderer, carriers, settings),
        sender_domain_routes(engine, means_of(settings)),
        provider_routes(engine, carriers),
        texting_routes(engine),
        inbox_routes(engine, renderer.office),
        task_routes(engine),
        task_writing_routes(engine, tracker.publisher),
        preference_routes(engine, renderer.office),
        contact_rules_routes(engine),
        mail_pace_routes(engine),
        mail_pool_routes(engine, settings.mail_pools()),
        suppression_routes(engine),
        why_routes(engine),
        opt_in_routes(engine, opt_ins),
        outcome_routes(engine),
        *webhooks.routes(engine, settings),
        hook_routes(engine, settings),
        *_public(engine, listening, renderer.office.link_key, settings),
    ]


def _public(
    engine: AsyncEngine, listening: Listeners, link_key: bytes, settings: Settings
) -> list[APIRouter]:
    """What recipients and providers ask for, without a token."""
    tracker, preferences, opt_ins, outcomes = listening
    taking = Hooks(engine, outcomes, settings.secret_keys(), Certificates())
    door = Door(link_key, settings.proxies())
    return [
        inbox_pages(engine, link_key),
        public_routes(engine, tracker, door),
        preference_pages(engine, preferences, door),
        opt_in_pages(engine, opt_ins, door),
        hook_addresses(taking, settings),
    ]


def _contents(
    engine: AsyncEngine, renderer: Renderer, carriers: Carriers, settings: Settings
) -> list[APIRouter]:
    """What messages say, and what they show of other data."""
    asker = asker_of(settings)
    return [
        template_routes(engine, renderer, asker),
        feed_routes(engine, asker),
        snippet_routes(engine, renderer),
        coupon_routes(engine),
        product_routes(engine),
        recommendation_routes(Asking(engine, carriers.http, settings.recommender_keys())),
        offer_routes(engine),
        quote_routes(engine),
    ]
