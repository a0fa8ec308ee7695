"""Who is shared may be so no longer when a link turns out to be older than was known.

With a window an identifier is shared because so many of a stronger kind came within some days. A
late event may say that one of them came long before. All around a kiosk is loaded only where that
could change something, which its own links tell.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from rapport_common.events.envelope import USER_ID
from rapport_profile.domain.limits import is_too_many
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import KINDS, SEEN, Evidence, Id, LinkKey


@dataclass(frozen=True, slots=True)
class Near:
    """What is linked to a shared identifier, and when a link that counts first said so."""

    kind: str
    contested: bool
    first: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """The links that an event of the batch tells of, and with which evidence."""

    keys: Sequence[LinkKey]
    evidence: Evidence


def pairs_with(shared: AbstractSet[Id], told: Iterable[Told]) -> set[LinkKey]:
    """All links that there may be between shared identifiers and what events name with them."""
    ends = {key[:2] for one in told for key in one.keys if not shared.isdisjoint(key[:2])}
    return {key for pair in ends for key in _between(pair)}


def in_question(working: Loaded, shared: AbstractSet[Id], told: Iterable[Told]) -> set[Id]:
    """Those of shared identifiers of which an event tells a link that was known by a later one.

    The links of `pairs_with` are loaded.
    """
    return {
        end
        for one in told
        for key in one.keys
        for end in key[:2]
        if end in shared and told_later(working, key[:2], one.evidence)
    }


def told_later(working: Loaded, pair: tuple[Id, Id], evidence: Evidence) -> bool:
    """Whether two identifiers are known to be linked, by loaded links, but by later evidence."""
    known = (working.links.get(key) for key in _between(pair))
    return any(link is not None and evidence < link.evidence for link in known)


def is_shared_still(
    one: Id, kind: str, near: Mapping[Id, Near], told: Iterable[Told], rules: Rules
) -> bool:
    """Whether a shared identifier certainly is so after a batch; if not, all has to be looked at.

    `near`: all that is linked to it, as it is stored.
    """
    users = [other for other in near.values() if other.kind == USER_ID]
    if len(users) > 1 and not all(user.contested for user in users):
        # Two users, one of whom has a single id.
        return True
    first = {other: known.first for other, known in near.items()}
    for event in told:
        for key in event.keys:
            other = key[key[0] == one]
            if one not in key[:2] or other not in first:
                continue
            if key[2] != SEEN:
                # An alias may be void, or may not.
                return False
            first[other] = min(first[other], event.evidence[0])
    stronger = [other for other in rules.limits if rules.rank(other) < rules.rank(kind)]
    return any(
        is_too_many(some, len(times), times, rules)
        for some in stronger
        for times in [[first[other] for other in first if near[other].kind == some]]
    )


def _between(pair: tuple[Id, Id]) -> Iterator[LinkKey]:
    one, other = pair
    return (key for kind in KINDS for key in ((one, other, kind), (other, one, kind)))
