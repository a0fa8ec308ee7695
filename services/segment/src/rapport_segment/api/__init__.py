"""The operator API of segment."""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.webhooks.handlers import Means
from rapport_segment.api import lists, webhooks
from rapport_segment.api.audiences import (
    audience_file_routes,
    audience_reading_routes,
    audience_routes,
)
from rapport_segment.api.exporting import export_routes, overlap_routes
from rapport_segment.api.importing import import_routes
from rapport_segment.api.library import library_routes
from rapport_segment.api.members import member_routes, size_routes
from rapport_segment.api.rfm import rfm_routes
from rapport_segment.api.segments import change_routes, schema_routes, segment_routes
from rapport_segment.api.versions import version_routes
from rapport_segment.domain.windows import LONGEST_DAYS
from rapport_segment.handlers.lists import OnLists

EVENTS_KEPT = timedelta(days=LONGEST_DAYS)


def routers(
    engine: AsyncEngine,
    exports: AsyncEngine,
    event_key: bytes,
    means: Means,
    events_kept: timedelta = EVENTS_KEPT,
) -> list[APIRouter]:
    """All routes of this service; `exports` are the connections of what takes long, `means` those
    of webhooks; events are kept for `events_kept`.
    """
    return [
        schema_routes(),
        overlap_routes(engine),
        import_routes(engine),
        library_routes(engine, events_kept),
        segment_routes(engine, events_kept),
        version_routes(engine, events_kept),
        change_routes(engine, events_kept),
        member_routes(engine),
        size_routes(engine),
        export_routes(engine, exports),
        rfm_routes(engine, events_kept),
        lists.list_routes(engine),
        lists.member_routes(engine),
        lists.change_routes(engine),
        lists.moving_routes(engine, OnLists(event_key)),
        audience_routes(engine),
        audience_reading_routes(engine),
        audience_file_routes(engine, exports),
        *webhooks.routes(engine, means),
    ]
