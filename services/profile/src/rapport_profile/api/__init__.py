"""The operator API of profile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.api.decisions import decision_routes
from rapport_profile.api.merge_rules import rules_routes
from rapport_profile.api.privacy import privacy_routes
from rapport_profile.api.profiles import profile_routes
from rapport_profile.api.republishing import republishing_routes
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.erasing import Erasing


def routers(engine: AsyncEngine, ids: Ids, erasing: Erasing) -> list[APIRouter]:
    """All routes of this service; `ids` names identifiers, `erasing` forgets people."""
    return [
        decision_routes(engine, ids),
        privacy_routes(engine, ids, erasing),
        profile_routes(engine, ids),
        republishing_routes(engine),
        rules_routes(engine),
    ]
