"""The mail servers of a process: which are away, and how many mails each may have now.

All lanes share what is known of a server. One that can't be talked to rests, longer each time, and
the others take its mails; none is asked for long while another one could be.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rapport_campaign import metrics
from rapport_campaign.domain.mail_servers import DEFAULT_POOL, MailServer
from rapport_campaign.smtp import Connection, Server, UnreachableError

OPENING_SECONDS = 5.0
"""To open a connection, where there is another server."""
FIRST_REST, LONGEST_REST = 1.0, 60.0


@dataclass(slots=True)
class Outlet:
    """A mail server, and what this process knows of it; `now` counts seconds."""

    server: Server
    connections: int
    pace: float = 0.0
    pool: str = DEFAULT_POOL
    now: Callable[[], float] = time.monotonic
    _rests_until: float = float("-inf")
    _rest: float = 0.0
    _next_at: float = float("-inf")

    @property
    def name(self) -> str:
        """Its place."""
        return f"{self.server.host}:{self.server.port}"

    @property
    def is_resting(self) -> bool:
        """Whether it was away a moment ago."""
        return self.now() < self._rests_until

    def failed(self) -> None:
        """It can't be talked to."""
        metrics.SERVER_AWAY.labels(self.name).set(1)
        self._rest = min(max(2 * self._rest, FIRST_REST), LONGEST_REST)
        self._rests_until = self.now() + self._rest

    def answered(self) -> None:
        """It can; also if it has refused one connection, as some do beyond a number."""
        if self._rest == 0:
            return
        metrics.SERVER_AWAY.labels(self.name).set(0)
        self._rest, self._rests_until = 0.0, float("-inf")

    @property
    def wait(self) -> float:
        """Seconds until it may have another mail."""
        return max(self._next_at - self.now(), 0.0) if self.pace else 0.0

    def takes(self) -> None:
        """It has one mail more."""
        if self.pace:
            # What was not used is not made up for.
            self._next_at = max(self._next_at, self.now()) + 1 / self.pace


@dataclass(frozen=True, slots=True)
class Mouth:
    """The connections of one lane to one server."""

    outlet: Outlet
    connections: list[Connection] = field(default_factory=list)

    @classmethod
    def of(cls, outlet: Outlet) -> "Mouth":
        """As many as the server may have; they open when they are needed."""
        return cls(outlet, [Connection(outlet.server) for _ in range(outlet.connections)])


def outlets_of(
    servers: Sequence[MailServer], *, timeout: float, greeting: str, connections: int
) -> list[Outlet]:
    """The servers of a list; `connections` for those that say nothing else."""
    return [
        Outlet(
            Server(
                host=one.host,
                port=one.port,
                timeout=timeout,
                username=one.username,
                password=one.password,
                tls=one.tls,
                greeting=greeting,
            ),
            connections=one.connections or connections,
            pace=one.pace,
            pool=one.pool,
        )
        for one in servers
    ]


@dataclass(frozen=True, slots=True)
class Away:
    """The pools that can't be talked to now; `error` if that is all of them."""

    pools: frozenset[str] = frozenset()
    error: UnreachableError | None = None


async def away(mouths: Sequence[Mouth]) -> Away:
    """Which pools of mail servers can't be talked to now: none of theirs can."""
    pools: dict[str, list[Mouth]] = {}
    for one in mouths:
        pools.setdefault(one.outlet.pool, []).append(one)
    gone: dict[str, UnreachableError] = {}
    for name, some in pools.items():
        error = await _unreachable(some, several=len(mouths) > 1)
        metrics.POOL_AWAY.labels(name).set(int(error is not None))
        if error is not None:
            gone[name] = error
    all_gone = len(gone) == len(pools)
    metrics.UNREACHABLE.set(int(all_gone))
    return Away(frozenset(gone), next(iter(gone.values())) if all_gone else None)


async def _unreachable(mouths: Sequence[Mouth], *, several: bool) -> UnreachableError | None:
    """Why none of these servers can be talked to; None when one can."""
    error = UnreachableError("all mail servers were away a moment ago")
    # With one server alone its lane decides how often to look.
    seconds = OPENING_SECONDS if several else float("inf")
    for mouth in mouths:
        if mouth.outlet.is_resting and several:
            continue
        try:
            await mouth.connections[0].open(seconds)
        except UnreachableError as found:
            error = found
            mouth.outlet.failed()
            continue
        mouth.outlet.answered()
        return None
    return error
