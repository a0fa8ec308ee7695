"""By what the routes act, the consumers, and the worker of what has a time."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.due.worker import Handler
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers import telling_holds, telling_needs, telling_traits
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.consent_ends import ConsentEnds
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.group_settling import GroupSettling
from rapport_profile.handlers.lapsing import Lapsing
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.settings import Settings
from rapport_profile.tables import SCHEMA


class Hands(NamedTuple):
    """`arrivals` knows who waits, `erasing` forgets people, `accessing` tells them what is known.

    `publisher` writes to `events`, `settling` works out what members of loyalty programmes have.
    """

    arrivals: Arrivals
    erasing: Erasing
    accessing: Accessing
    publisher: Publisher
    settling: Settling


def hands_of(engine: AsyncEngine, ids: Ids, settings: Settings) -> Hands:
    """Those of a process; `engine` is the one of its API, `ids` names identifiers."""
    key = key_bytes(settings.event_key)
    erasing = Erasing(ids, key, key_bytes(settings.receipt_key), settings.privacy_law)
    accessing = Accessing(erasing, timedelta(days=settings.access_days))
    return Hands(
        Arrivals(engine), erasing, accessing, Publisher(SCHEMA, EVENTS, key), Settling(key)
    )


def due_kinds(ids: Ids, hands: Hands) -> dict[str, Handler]:
    """What is done when its time has come, by kind."""
    return {
        **Lapsing(ids).kinds,
        **telling_holds.KINDS,
        **telling_needs.KINDS,
        **telling_traits.KINDS,
        **ConsentEnds(hands.publisher).kinds,
        **hands.settling.kinds,
        **GroupSettling(hands.publisher).kinds,
    }
