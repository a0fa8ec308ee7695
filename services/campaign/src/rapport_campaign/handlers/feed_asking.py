"""Asks a data feed once: guarded, bounded, and with a defined end whatever comes back."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rapport_campaign import metrics
from rapport_campaign.channels.http import Http, NotSentError, Reply, Request, UnansweredError
from rapport_campaign.domain.feed_answers import AnswerError, read
from rapport_campaign.domain.feeds import Feed, FeedKeys, place_of_secrets
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

EACH_HOST, EACH_WORKSPACE, ALL = 8, 16, 64
"""Questions at once: whose feeds are all slow keeps the others' from nothing."""
MOST_PLACES = 500
MOST_WAIT = 600.0
"""So long a feed is left alone at most that asks for it."""
_ASK_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that can be used: of how many bytes, and after how many seconds."""

    data: Any
    body: bytes
    seconds: float


class FeedError(Exception):
    """No answer; the text says why, for operators. `passing`: another time there may be one, the
    feed asks to be left alone for `wait` seconds.
    """

    def __init__(self, reason: str, *, passing: bool, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.wait = wait


class Asker:
    """Speaks to feeds: so many questions at once to one host, and to all."""

    def __init__(self, http: Http, keys: FeedKeys) -> None:
        """`keys`: under which secret headers are kept."""
        self.http = http
        self.keys = keys
        self._all = asyncio.Semaphore(ALL)
        self._rooms: dict[tuple[str, str], asyncio.Semaphore] = {}

    async def ask(self, feed: Feed, url: str) -> Fetched:
        """What a feed answers at an address; FeedError, and nothing else that it could bring about.

        The waiting for a place is not counted to its seconds.
        """
        each = self._room("host", feed.host, EACH_HOST)
        whose = self._room("workspace", feed.workspace, EACH_WORKSPACE)
        async with each, whose, self._all:
            began = time.perf_counter()
            result = "failed"
            try:
                found = await self._asked(feed, url)
                data = _data(found)
                result = "answered"
            finally:
                seconds = time.perf_counter() - began
                metrics.feed_asked(feed.workspace, feed.name, result, seconds)
            return Fetched(data, found.body, seconds)

    def sealed(self, workspace: str, name: str, headers: Mapping[str, str]) -> str | None:
        """Secret headers as they are kept; None where there are none."""
        if not headers:
            return None
        place, nonce = place_of_secrets(workspace, name), secrets.token_bytes(NONCE_BYTES)
        return self.keys.sealed_all(place, headers, nonce)

    def opened(self, feed: Feed) -> Mapping[str, str]:
        """The secret headers of a feed; SealedSecretError."""
        if feed.sealed is None:
            return {}
        return self.keys.opened_all(place_of_secrets(feed.workspace, feed.name), feed.sealed)

    async def _asked(self, feed: Feed, url: str) -> Reply:
        spec = feed.spec
        try:
            secret = self.opened(feed)
            usual = {"accept": "application/json", "accept-encoding": "identity"}
            headers = {**usual, **spec.headers, **secret}
            found = await self.http.ask(
                Request("GET", url, headers, most=spec.max_bytes, seconds=spec.seconds)
            )
        except SealedSecretError as error:
            raise FeedError(str(error), passing=True) from error
        except (NotSentError, UnansweredError) as error:
            raise FeedError(str(error), passing=True) from error
        if not found.is_yes:
            again = found.status in _ASK_AGAIN
            told = f"it answered {found.status}"
            if 300 <= found.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
                told += ": feeds follow no redirection"
            raise FeedError(told, passing=again, wait=min(found.retry_after or 0.0, MOST_WAIT))
        if not found.is_whole:
            raise FeedError(f"it is larger than {spec.max_bytes} bytes", passing=False)
        return found

    def _room(self, kind: str, name: str, places: int) -> asyncio.Semaphore:
        if len(self._rooms) > MOST_PLACES:
            # Whoever waits has theirs in hand.
            self._rooms = {key: one for key, one in self._rooms.items() if one.locked()}
        return self._rooms.setdefault((kind, name), asyncio.Semaphore(places))


def _data(found: Reply) -> Any:
    try:
        return read(found.body, found.headers)
    except AnswerError as error:
        raise FeedError(str(error), passing=False) from error
