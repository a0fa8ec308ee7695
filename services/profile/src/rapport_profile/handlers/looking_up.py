"""Many people at once, by their identifiers."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidRequestError
from rapport_profile.domain.naming import Id
from rapport_profile.store.standing import Owners, owners

MOST = 1_000
"""Identifiers in a request."""

MOST_BYTES = 8 * 1024 * 1024
"""Of what is stored of those people."""


async def look_up(
    tx: AsyncConnection, workspace: str, identifiers: Sequence[Id], most: int = MOST_BYTES
) -> Owners:
    """Who has these identifiers; InvalidRequestError: they are too large to be shown at once."""
    found = await owners(tx, workspace, identifiers, most)
    if found.too_many:
        fits = max(1, len(found.people))
        message = f"identifiers: so much is known of these people; ask for {fits} of them at once."
        raise InvalidRequestError(message, code="too_much", details={"fits": fits})
    return found
