"""A yes that was said on a page asks for its confirmation by itself, where the rules want one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.asking import MOST, WINDOW, Asked, Earlier, may_ask
from rapport_campaign.domain.model import State
from rapport_campaign.domain.planning import happened_before
from rapport_campaign.domain.preferences import Holder, refused_since
from rapport_campaign.handlers.opt_ins import LIFETIME, OptIns, fate_of
from rapport_campaign.handlers.preferences import known_of, new_key
from rapport_campaign.store import locks, people
from rapport_campaign.store import opt_ins as store
from rapport_campaign.store.opt_ins import OptIn
from rapport_campaign.store.privacy import PRIVACY
from rapport_common import clock
from rapport_common.follower.domain import Key
from rapport_common.pages.language import DEFAULT, language_of

ACTOR = "consent rules"
"""Who has asked, where nobody has."""
REASON = "said on a page"
HOUR = timedelta(hours=1)
_LANGUAGES = ("language", "locale")
"""Traits that say which one somebody speaks."""


class Asking:
    """Sends those mails; of a workspace `most` in an hour, as each of them is a stranger's word."""

    def __init__(self, opt_ins: OptIns, most: int, restored_at: datetime | None = None) -> None:
        self._opt_ins = opt_ins
        self._most = most
        self._restored_at = restored_at

    async def ask(self, tx: AsyncConnection, asked: Mapping[Key, Sequence[Asked]]) -> None:
        """Ask these people, as far as they may be asked; who was asked already is not again."""
        places = [(key[0], one.address) for key, some in asked.items() for one in some]
        if not places:
            return
        # What is asked, or refused, there in this moment is seen.
        await locks.own_addresses(tx, places)
        persons = await people.load(tx, asked, lock=True)
        gone = await PRIVACY.erased(tx, set(asked))
        for key in sorted(persons.keys() - gone):
            state = persons[key].state
            if state is None or {"processing", "marketing"} & set(state.restraints):
                continue
            for one in asked[key]:
                if await self._may_ask(tx, key, one):
                    await self._opt_ins.ask(tx, _request(key, state, one), is_told=True)

    async def _may_ask(self, tx: AsyncConnection, key: Key, asked: Asked) -> bool:
        workspace, profile_id = key
        if happened_before(asked.at, self._restored_at):
            return False
        now = clock.now()
        holder = Holder(workspace, asked.address, profile_id)
        known, _state = await known_of(tx, holder)
        if refused_since(known, asked.address, asked.purpose, asked.at):
            return False
        rows = await store.of_address(tx, workspace, asked.address, now - WINDOW, MOST)
        earlier = [
            Earlier(one.purpose, one.asked_at, fate_of(one, known, now) == "asked") for one in rows
        ]
        if not may_ask(asked, earlier):
            return False
        if await store.made_by(tx, workspace, ACTOR, now - HOUR, self._most) < self._most:
            return True
        metrics.NOT_ASKED.inc()
        return False


def _request(key: Key, state: State, one: Asked) -> OptIn:
    now = clock.now()
    return OptIn(
        workspace=key[0],
        opt_in_id=new_key(),
        profile_id=key[1],
        address=one.address,
        purpose=one.purpose,
        language=_language(state),
        wording_version=one.wording_version,
        actor=ACTOR,
        reason=REASON,
        asked_at=now,
        ends_at=now + LIFETIME,
    )


def _language(state: State) -> str:
    traits = msgspec.json.decode(state.traits)
    for name in _LANGUAGES:
        said = traits.get(name)
        if isinstance(said, str) and said:
            return language_of(said.replace("_", "-"))
    return DEFAULT
