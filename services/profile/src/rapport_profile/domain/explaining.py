"""Why two identifiers are one person: the events that lead from one to the other."""

from collections import deque
from collections.abc import Iterable

import msgspec

from rapport_profile.domain.naming import Evidence, Id


class Step(msgspec.Struct, frozen=True):
    """A link fact that counts: what two identifiers it is about, and who told of it first."""

    a: Id
    b: Id
    kind: str
    evidence: Evidence


def chain(links: Iterable[Step], start: Id, end: Id) -> list[Step] | None:
    """The fewest links that lead from one identifier to another; None where none do.

    Of several ways with as many links the one that was told of first.
    """
    around: dict[Id, list[tuple[Id, Step]]] = {}
    for link in sorted(links, key=lambda link: (link.evidence, link.a, link.b)):
        around.setdefault(link.a, []).append((link.b, link))
        around.setdefault(link.b, []).append((link.a, link))
    came: dict[Id, tuple[Id, Step] | None] = {start: None}
    edge = deque([start])
    while edge and end not in came:
        here = edge.popleft()
        for near, link in around.get(here, ()):
            if near not in came:
                came[near] = (here, link)
                edge.append(near)
    if end not in came:
        return None
    found: list[Step] = []
    at = came[end]
    while at is not None:
        found.append(at[1])
        at = came[at[0]]
    return found[::-1]
