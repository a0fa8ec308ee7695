"""The operator API of segment."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_segment.api import lists
from rapport_segment.api.members import member_routes
from rapport_segment.api.segments import change_routes, schema_routes, segment_routes
from rapport_segment.handlers.lists import OnLists


def routers(engine: AsyncEngine, event_key: bytes) -> list[APIRouter]:
    """All routes of this service."""
    return [
        schema_routes(),
        segment_routes(engine),
        change_routes(engine),
        member_routes(engine),
        lists.list_routes(engine),
        lists.member_routes(engine),
        lists.change_routes(engine),
        lists.moving_routes(engine, OnLists(event_key)),
    ]
