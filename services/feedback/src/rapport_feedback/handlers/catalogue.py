"""Documents by name, of which a case's work is made; NotFoundError says what to do."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_feedback.store import catalogue as store
from rapport_feedback.store.catalogue import Kind, Listing

PLACES: dict[Kind, str] = {
    "template": "/v1/answer-templates",
    "macro": "/v1/case-macros",
    "connector": "/v1/connectors",
    "reason": "/v1/case-reasons",
    "cause": "/v1/case-causes",
    "goodwill_limit": "/v1/goodwill-limits",
}
"""Where documents of a kind are."""


def missing(kind: Kind, name: str) -> NotFoundError:
    """There is none of this name."""
    message = f"There is no {kind.replace('_', ' ')} {name!r}. GET {PLACES[kind]} lists them."
    return NotFoundError(message, details={"name": name})


async def current(tx: AsyncConnection, workspace: str, kind: Kind, name: str) -> Listing:
    """The document of a name; NotFoundError."""
    found = await store.find(tx, workspace, kind, name)
    if found is None:
        raise missing(kind, name)
    return found
