"""The operator API of segment."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_segment.api.exporting import export_routes, overlap_routes
from rapport_segment.api.members import member_routes
from rapport_segment.api.segments import change_routes, schema_routes, segment_routes


def routers(engine: AsyncEngine, exports: AsyncEngine) -> list[APIRouter]:
    """All routes of this service; `exports` are the connections of what takes long."""
    return [
        schema_routes(),
        overlap_routes(engine),
        segment_routes(engine),
        change_routes(engine),
        member_routes(engine),
        export_routes(engine, exports),
    ]
