"""The operator API of segment."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_segment.api.members import member_routes, size_routes
from rapport_segment.api.segments import change_routes, schema_routes, segment_routes
from rapport_segment.api.versions import version_routes


def routers(engine: AsyncEngine) -> list[APIRouter]:
    """All routes of this service."""
    return [
        schema_routes(),
        segment_routes(engine),
        version_routes(engine),
        change_routes(engine),
        member_routes(engine),
        size_routes(engine),
    ]
