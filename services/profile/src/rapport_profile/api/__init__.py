"""The operator API of profile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.api.profiles import profile_routes
from rapport_profile.api.republishing import republishing_routes


def routers(engine: AsyncEngine) -> list[APIRouter]:
    """All routes of this service."""
    return [profile_routes(engine), republishing_routes(engine)]
