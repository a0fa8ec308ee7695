"""Words on consents that a batch brings are kept beside the events that say them."""

from collections.abc import Iterable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.consent import IP_OF_A_WORD
from rapport_common.events.envelope import Event
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.consent_facts import fact_of
from rapport_profile.domain.naming import Id, Ids, Names
from rapport_profile.handlers.consent_ends import wait_for_ends
from rapport_profile.store import consent_facts
from rapport_profile.store.consent_facts import Said
from rapport_profile.store.people import Scoped


async def keep_words(
    tx: AsyncConnection, names: Names, events: Iterable[tuple[Event, Id]]
) -> set[Scoped]:
    """Keep what events say of consents, by the rules of their workspaces.

    Each comes with its strongest identifier; those of which something is known that was not.
    """
    said = []
    for event, hub in events:
        if event.name != CONSENT_UPDATED:
            continue
        rules = names.book.of(event.workspace).judge.consents
        fact = fact_of(event, partial(_hashed, names.ids, event.workspace), rules)
        if fact is not None:
            said.append(Said(event.workspace, hub, fact))
    new = await consent_facts.remember(tx, said)
    await wait_for_ends(
        tx,
        (
            (place, one.fact.expires_at)
            for one in said
            if (place := (one.workspace, one.identifier_id)) in new
        ),
    )
    return new


def _hashed(ids: Ids, workspace: str, ip: str) -> str:
    return ids.digest(workspace, IP_OF_A_WORD, ip).hex()
