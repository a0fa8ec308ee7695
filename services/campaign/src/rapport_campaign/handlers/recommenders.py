"""A workspace's own recommender: it is asked over HTTP, after the claim and outside of it.

What it recommends is shown only as far as the one inside would show it: products of the catalogue,
with the catalogue's links, that are sold and were not just bought. Who answers late, wrongly or not
at all costs nobody a message: what the one inside has found stands there already.
"""

import asyncio
import random
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from rapport_campaign import metrics
from rapport_campaign.channels.http import Http, NotSentError, Request, UnansweredError
from rapport_campaign.domain.breaker import Breaker, admit, after
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.model import MessageKey, State
from rapport_campaign.domain.recommenders import (
    MOST_PEOPLE,
    Account,
    RecommenderKeys,
    answered,
    place_of,
    question,
)
from rapport_campaign.domain.recommending import PROVIDER, Pick, Slot, fits, shown
from rapport_campaign.domain.speaking import spoken_of
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.handlers.recommending import (
    NOTHING,
    ROOT,
    Asked,
    Inside,
    Recommender,
    may_be_looked_at,
    note,
    pasts_of,
)
from rapport_campaign.render.compose import Job
from rapport_campaign.store import products
from rapport_campaign.store import recommenders as store
from rapport_campaign.store import recommending as slots
from rapport_campaign.store.recommending import Given
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.events.envelope import USER_ID
from rapport_common.outside.addresses import UnusableUrlError, require_usable
from rapport_common.outside.signed_posts import new_secret, signed
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

log = logging.get(__name__)

SECRET_BYTES = 32
SEALED_AT_ONCE = 100
_Place = tuple[str, str]
"""A workspace, and a slot of it."""


@dataclass(frozen=True, slots=True)
class Means:
    """With what workspaces' recommenders are asked."""

    engine: AsyncEngine
    http: Http
    keys: RecommenderKeys


class Outside(Recommender):
    """The recommender of a workspace, with the one inside behind it."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._breakers: dict[str, Breaker] = {}

    @override
    async def recommend(self, asked: Asked) -> Mapping[str, Sequence[Pick]]:
        """What it recommends; for whom it has nothing to be shown the one inside has its say."""
        told = await self.told(asked)
        rest = {person: state for person, state in asked.people.items() if not told.get(person)}
        if not rest:
            return told
        async with self._means.engine.begin() as tx:
            return {**told, **await Inside(tx).recommend(replace(asked, people=rest))}

    async def told(self, asked: Asked) -> dict[str, list[Pick]]:
        """What it says itself, as far as that can be shown. It raises nothing that it brings about.

        Who objects to profiling is not asked for.
        """
        people = {
            person: state
            for person, state in asked.people.items()
            if state is not None and may_be_looked_at(state)
        }
        async with self._means.engine.begin() as tx:
            account = await store.find(tx, asked.workspace) if people else None
            if account is None:
                return {}
            pasts = await pasts_of(tx, replace(asked, people=people), clock.now())
        barred = {
            person: past.barred | asked.exclude.get(person, frozenset())
            for person, past in pasts.items()
        }
        every = list(people)
        pages = [every[start : start + MOST_PEOPLE] for start in range(0, len(every), MOST_PEOPLE)]
        answers = await asyncio.gather(
            *(
                self._answer(account, asked.slot, {one: people[one] for one in page}, barred)
                for page in pages
            )
        )
        found = {person: skus for answer in answers for person, skus in answer.items()}
        async with self._means.engine.begin() as tx:
            return await _shown(tx, asked, found, barred)

    async def _answer(
        self,
        account: Account,
        slot: Slot,
        people: Mapping[str, State],
        barred: Mapping[str, frozenset[str]],
    ) -> dict[str, list[str]]:
        now = clock.now().timestamp()
        breaker = self._breakers.get(account.workspace, Breaker())
        granted, self._breakers[account.workspace] = admit(breaker, now, 1)
        if not granted:
            metrics.RECOMMENDER_ANSWERS.labels("rested").inc()
            return {}
        found, outcome = await self._ask(account, slot, people, barred)
        jitter = random.random()  # noqa: S311 - spreads questions, guards nothing
        ends = after(self._breakers[account.workspace], outcome, clock.now().timestamp(), jitter)
        self._breakers[account.workspace] = ends
        metrics.RECOMMENDER_ANSWERS.labels("failed" if outcome.fault else "answered").inc()
        if outcome.fault:
            log.info("no answer of a recommender", reason=outcome.reason)
        return found

    async def _ask(
        self,
        account: Account,
        slot: Slot,
        people: Mapping[str, State],
        barred: Mapping[str, frozenset[str]],
    ) -> tuple[dict[str, list[str]], Outcome]:
        known = {
            person: [one.value for one in state.identifiers if one.kind == USER_ID]
            for person, state in people.items()
        }
        body = question(slot.name, slot.n, known, barred)
        try:
            secret = self._means.keys.opened(place_of(account.workspace), account.secret)
            headers = dict(signed(f"msg_{uuid.uuid4().hex}", clock.now(), body, [secret]))
            headers["content-type"] = "application/json"
            async with asyncio.timeout(account.deadline_ms / 1000):
                reply = await self._means.http.ask(Request("POST", account.url, headers, body))
        except TimeoutError:
            reason = f"no answer within {account.deadline_ms} ms"
        except (NotSentError, UnansweredError, SealedSecretError) as error:
            reason = str(error)
        else:
            if reply.is_yes and isinstance(reply.json().get("people"), list):
                return answered(reply.json(), people), Outcome("sent")
            reason = "its answer is too long" if not reply.is_whole else f"status {reply.status}"
        return {}, Outcome("retry", reason, fault="vendor")


async def _shown(
    tx: AsyncConnection,
    asked: Asked,
    found: Mapping[str, Sequence[str]],
    barred: Mapping[str, frozenset[str]],
) -> dict[str, list[Pick]]:
    """What may be shown of an answer: each product once, and of the catalogue only."""
    named = {sku for skus in found.values() for sku in skus}
    known = await products.shown(tx, asked.workspace, named)
    picks: dict[str, list[Pick]] = {}
    for person, skus in found.items():
        some = (known.get(sku) for sku in dict.fromkeys(skus))
        fitting = [
            Pick(one, PROVIDER)
            for one in some
            if one is not None and one.sku not in barred[person] and fits(asked.slot, one)
        ]
        picks[person] = fitting[: asked.slot.n]
    return picks


class Filling:
    """Lets messages that were claimed show what recommenders of workspaces say."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._outside = Outside(means)

    @staticmethod
    def showing(jobs: Iterable[Job]) -> list[Job]:
        """The messages that show what is recommended; nobody is asked for the others."""
        return [
            one
            for one in jobs
            if one.campaign is not None and ROOT in one.data and spoken_of(one.campaign, ROOT)
        ]

    async def filled(self, jobs: Sequence[Job], results: list[Result]) -> list[Job]:
        """The messages with it; who has nothing to show and is not to go is a result.

        Nothing is asked for messages that show no such slot. While the database is away they stay
        as they are.
        """
        speaking = {
            one.claimed.key: {path[0] for path in spoken_of(one.campaign, ROOT) if path}
            for one in self.showing(jobs)
            if one.campaign is not None
        }
        if not speaking:
            return list(jobs)
        try:
            return await self._filled(jobs, speaking, results)
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("recommenders not asked", error=error)
            return list(jobs)

    async def _filled(
        self,
        jobs: Sequence[Job],
        speaking: Mapping[tuple[str, str], set[str]],
        results: list[Result],
    ) -> list[Job]:
        async with self._means.engine.begin() as tx:
            wanted = {(key[0], name) for key, names in speaking.items() for name in names}
            known = {
                place: one
                for place, one in (await slots.slots(tx, wanted)).items()
                if one.provider == "http"
            }
        by_key = {one.claimed.key: one for one in jobs}
        given: list[Given] = []
        empty: set[tuple[str, str]] = set()
        asking = {
            place: [
                key for key, names in speaking.items() if key[0] == place[0] and place[1] in names
            ]
            for place in sorted(known)
        }
        for place, told in (await self._told(asking, known, by_key)).items():
            slot, name = known[place], place[1]
            for key in asking[place]:
                job = by_key[key]
                picks = told.get(job.claimed.profile_id)
                if picks:
                    by_key[key] = _with(job, name, shown(picks))
                    given.append(Given(key, name, job.claimed.profile_id, picks))
                elif slot.when_empty == "suppress" and not job.data[ROOT].get(name):
                    empty.add(key)
        kept = [one for one in given if by_key[one.key].claimed.kind != "test"]
        async with self._means.engine.begin() as tx:
            await note(tx, [one for one in kept if one.key not in empty])
        gone = {key for key in empty if by_key[key].claimed.kind != "test"}
        results += [
            Result(by_key[key], Outcome("suppressed", NOTHING), clock.now()) for key in gone
        ]
        return [one for key, one in by_key.items() if key not in gone]

    async def _told(
        self,
        asking: Mapping[_Place, Sequence[MessageKey]],
        known: Mapping[_Place, Slot],
        jobs: Mapping[MessageKey, Job],
    ) -> dict[_Place, dict[str, list[Pick]]]:
        """What is said of each slot: all are asked at once.

        So a batch waits for the slowest answer, and not for all of them one after the other: mails
        of other workspaces are in it.
        """
        told = await asyncio.gather(
            *(
                self._outside.told(
                    Asked(
                        place[0],
                        known[place],
                        {jobs[key].claimed.profile_id: jobs[key].state for key in keys},
                    )
                )
                for place, keys in asking.items()
            )
        )
        return dict(zip(asking, told, strict=True))


def _with(job: Job, slot: str, products_shown: list[dict[str, Any]]) -> Job:
    there = {**job.data[ROOT], slot: products_shown}
    return replace(job, data={**job.data, ROOT: there})


async def require(tx: AsyncConnection, workspace: str) -> Account:
    """That of a workspace, or NotFoundError."""
    found = await store.find(tx, workspace)
    if found is None:
        raise NotFoundError("This workspace has no recommender: PUT /v1/recommender makes one.")
    return found


async def put(
    tx: AsyncConnection, means: Means, wanted: Account, *, anew: bool
) -> tuple[Account, str | None]:
    """Let a workspace have a recommender; it, and its secret if that is new."""
    try:
        require_usable(wanted.url, means.http.own)
    except UnusableUrlError as error:
        message = f"url: the address {error}."
        raise InvalidRequestError(message, details={"path": "url"}) from error
    known = await store.find(tx, wanted.workspace)
    if known is not None and not anew:
        made, secret = replace(wanted, secret=known.secret), None
    else:
        secret = new_secret(secrets.token_bytes(SECRET_BYTES))
        made = replace(wanted, secret=sealed(means.keys, wanted.workspace, secret))
    await store.save(tx, made)
    return made, secret


def sealed(keys: RecommenderKeys, workspace: str, secret: str) -> str:
    """A secret as it is kept."""
    return keys.sealed(place_of(workspace), secret, secrets.token_bytes(NONCE_BYTES))


async def seal_anew(tx: AsyncConnection, keys: RecommenderKeys) -> int:
    """Seal by the newest key what was sealed by another one; how many.

    What can't be opened stays as it is.
    """
    some = await store.sealed_otherwise(tx, keys.prefix, SEALED_AT_ONCE)
    changed = 0
    for one in some:
        try:
            secret = keys.opened(place_of(one.workspace), one.secret)
        except SealedSecretError as error:
            log.warning("a recommender can't be asked", workspace=one.workspace, error=error)
            continue
        await store.save(tx, replace(one, secret=sealed(keys, one.workspace, secret)))
        changed += 1
    return changed
