"""Words on consents that a batch brings are kept beside the events that say them."""

from collections.abc import Iterable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.consent import IP_OF_A_WORD
from rapport_common.events.envelope import Event
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.consent_facts import fact_of
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.handlers.consent_ends import wait_for_ends
from rapport_profile.store import consent_facts
from rapport_profile.store.consent_facts import Said


async def keep_words(tx: AsyncConnection, ids: Ids, events: Iterable[tuple[Event, Id]]) -> None:
    """Keep what events say of consents; each with its strongest identifier."""
    said = []
    for event, hub in events:
        if event.name != CONSENT_UPDATED:
            continue
        fact = fact_of(event, partial(_hashed, ids, event.workspace))
        if fact is not None:
            said.append(Said(event.workspace, hub, fact))
    await consent_facts.remember(tx, said)
    await wait_for_ends(
        tx, (((one.workspace, one.identifier_id), one.fact.expires_at) for one in said)
    )


def _hashed(ids: Ids, workspace: str, ip: str) -> str:
    return ids.digest(workspace, IP_OF_A_WORD, ip).hex()
