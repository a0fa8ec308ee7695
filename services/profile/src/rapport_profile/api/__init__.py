"""The operator API of profile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.api.decisions import decision_routes
from rapport_profile.api.duplicates import duplicate_routes
from rapport_profile.api.merge_rules import rules_routes
from rapport_profile.api.profiles import profile_routes
from rapport_profile.api.republishing import republishing_routes
from rapport_profile.domain.naming import Ids


def routers(engine: AsyncEngine, ids: Ids) -> list[APIRouter]:
    """All routes of this service; `ids` names identifiers."""
    return [
        decision_routes(engine, ids),
        duplicate_routes(engine, ids),
        profile_routes(engine, ids),
        republishing_routes(engine),
        rules_routes(engine),
    ]
