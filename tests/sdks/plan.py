"""What each client sends: the same story of a few people, told with the calls that a client has."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

SERVER_PEOPLE = 3
SERVER_TRACKS = 16
BROWSER_TRACKS = 10


@dataclass(frozen=True)
class Call:
    """One call of an SDK; `data` are its properties or traits, and `data["n"]` its number."""

    kind: str
    user: str | None = None
    anonymous: str | None = None
    name: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    previous: str | None = None
    group: str | None = None

    def json(self) -> dict[str, Any]:
        """What a driver reads."""
        return asdict(self)


def server_plan(client: str, kinds: Sequence[str]) -> list[Call]:
    """More than 50 calls about three people, some of them known by a visit first."""
    numbers = count(1)
    calls: list[Call] = []
    for person in range(SERVER_PEOPLE):
        user = f"{client}-{person}"
        calls.append(Call("identify", user, data=_traits(user, numbers)))
        calls += _tracks(user, numbers, SERVER_TRACKS)
        calls += _others(user, numbers, kinds)
    return calls


def browser_plan(client: str, kinds: Sequence[str]) -> list[Call]:
    """One person at one browser: a visitor who signs in, and goes on."""
    numbers = count(1)
    user = f"{client}-0"
    # What comes before the sign-in has no user id: the SDK makes up the anonymous one.
    visit = list(_tracks(None, numbers, 3))
    return [
        *visit,
        Call("identify", user, data=_traits(user, numbers)),
        *_tracks(user, numbers, BROWSER_TRACKS),
        *_others(user, numbers, [kind for kind in kinds if kind != "alias"]),
    ]


def _traits(user: str, numbers: Iterator[int]) -> dict[str, Any]:
    email = f"{user}@example.com"
    return {"n": next(numbers), "email": email, "name": "Zoë Müller", "plan": "gold"}


def _tracks(user: str | None, numbers: Iterator[int], how_many: int) -> Iterator[Call]:
    for _ in range(how_many):
        n = next(numbers)
        data = {"n": n, "shelf": "Bücher 📚", "price": n + 0.5, "gift": n % 2 == 0}
        yield Call("track", user, name=f"Product {n} Viewed", data=data)


def _others(user: str, numbers: Iterator[int], kinds: Sequence[str]) -> Iterator[Call]:
    if "page" in kinds:
        yield Call("page", user, name="Checkout", data={"n": next(numbers)})
    if "screen" in kinds:
        yield Call("screen", user, name="Basket", data={"n": next(numbers)})
    if "group" in kinds:
        traits = {"n": next(numbers), "industry": "Retail"}
        yield Call("group", user, group=f"{user}-club", data=traits)
    if "alias" in kinds:
        visit = f"{user}-visit"
        yield Call("track", anonymous=visit, name="Shop Visited", data={"n": next(numbers)})
        yield Call("alias", user, previous=visit)
