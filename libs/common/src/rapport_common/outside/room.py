"""How many posts may be under way: to a receiver, to those of a workspace, to all.

Whoever has fewer under way gets the next place, so that receivers which never answer keep those of
their own workspace waiting, and nobody else.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

EACH: Final = 8
"""To one receiver: one that is slow leaves room for the others of its workspace."""

OF_A_WORKSPACE: Final = 16
ALL: Final = 64

Place = tuple[str, UUID]
"""A workspace, and a receiver of it."""


def rooms(wanted: Mapping[Place, int], busy: Mapping[Place, int]) -> Counter[Place]:
    """How many posts may be begun to each place, of so many that are `wanted`, beside those under
    way (`busy`).

    A place at a time goes to the workspace with the fewest, and there to the receiver with the
    fewest; who has more under way than is allowed gets none, and loses none.
    """
    left = ALL - sum(busy.values())
    by_workspace: Counter[str] = Counter()
    for (workspace, _receiver), some in busy.items():
        by_workspace[workspace] += some
    lanes: dict[str, list[tuple[int, Place]]] = {}
    for place in wanted:
        lanes.setdefault(place[0], []).append((busy.get(place, 0), place))
    for some_lanes in lanes.values():
        heapq.heapify(some_lanes)
    turns = [(by_workspace[workspace], workspace) for workspace in lanes]
    heapq.heapify(turns)
    found: Counter[Place] = Counter()
    while left > 0 and turns:
        under_way, workspace = heapq.heappop(turns)
        chosen = _next(lanes[workspace], found, wanted) if under_way < OF_A_WORKSPACE else None
        if chosen is not None:
            found[chosen] += 1
            left -= 1
            heapq.heappush(turns, (under_way + 1, workspace))
    return found


def _next(
    lanes: list[tuple[int, Place]], found: Counter[Place], wanted: Mapping[Place, int]
) -> Place | None:
    """The receiver of a workspace whose turn it is; None: none may have more, or wants more."""
    while lanes:
        under_way, place = heapq.heappop(lanes)
        if under_way < EACH and found[place] < wanted[place]:
            heapq.heappush(lanes, (under_way + 1, place))
            return place
    return None
