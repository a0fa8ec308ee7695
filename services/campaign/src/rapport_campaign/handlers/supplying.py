"""Data that templates see beside the person, worked out before they are rendered.

A supplier is an async function for one root of variables, such as `offer`. It is asked for the
messages whose campaigns speak of that root, all of a claim at once, in the transaction that marks
them `sending`; for others nothing is asked at all. What it gives is plain JSON, and travels with
the job to the renderer's process.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Campaign, Claimed, MessageKey, Person
from rapport_campaign.domain.speaking import Mention, Path, mentions, spoken_of

PREVIEW = ""
"""The send key of what is only looked at."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A message that speaks of a supplier's root: by which paths below it, to whom.

    `kept`: whether what is given is to be kept with the message; not of tests and previews.
    """

    key: MessageKey
    channel: str
    paths: frozenset[Path]
    person: Person | None
    kept: bool = True
    campaign_id: str | None = None

    @property
    def workspace(self) -> str:
        """Whose it is."""
        return self.key[0]


@dataclass(frozen=True, slots=True)
class Supply:
    """What templates see under a supplier's root, by message.

    `lacking`: why a message fails; `silent`: why one is not sent, which is nobody's fault.
    """

    data: Mapping[MessageKey, Any] = field(default_factory=dict)
    lacking: Mapping[MessageKey, str] = field(default_factory=dict)
    silent: Mapping[MessageKey, str] = field(default_factory=dict)


Supplier = Callable[[AsyncConnection, Sequence[Asking]], Awaitable[Supply]]
"""Those there are stand in `suppliers`."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A place in what an author has written that speaks of a supplier's data."""

    field: str
    source: str
    mention: Mention


Check = Callable[[AsyncConnection, str, Sequence[Spoken]], Awaitable[None]]
"""Looks at what texts of a workspace speak of when they are saved: InvalidRequestError, with the
place, for what there is not.
"""


async def supplied(
    tx: AsyncConnection,
    going: Sequence[Claimed],
    campaigns: Mapping[tuple[str, str], Campaign],
    persons: Mapping[MessageKey, Person],
    suppliers: Mapping[str, Supplier],
    *,
    keep: bool = True,
) -> Supply:
    """What all suppliers have for the messages that may go: data by root, for each message.

    Without `keep` somebody only wants to know.
    """
    data: defaultdict[MessageKey, dict[str, Any]] = defaultdict(dict)
    lacking: dict[MessageKey, str] = {}
    silent: dict[MessageKey, str] = {}
    for root, supplier in suppliers.items():
        # Once for each campaign, not for each message.
        spoken = {key: spoken_of(one, root) for key, one in campaigns.items()}
        asking = [
            _asking(one, paths, persons.get(one.key))
            for one in going
            if one.key not in lacking
            and one.key not in silent
            and (paths := spoken.get((one.workspace, one.campaign_id or "")))
        ]
        if not asking:
            continue
        if not keep:
            asking = [replace(one, kept=False) for one in asking]
        found = await supplier(tx, asking)
        lacking |= found.lacking
        # Who looks at a test wants to see it.
        silent |= {one.key: found.silent[one.key] for one in going if _is_silent(one, found)}
        for key, one in found.data.items():
            data[key][root] = one
    return Supply(data, lacking, silent)


async def shown(
    tx: AsyncConnection,
    asking: Callable[[str], Asking | None],
    suppliers: Mapping[str, Supplier],
) -> dict[str, Any]:
    """What a preview sees, by root; `asking` says for each root what is asked, if anything is.

    What is lacking is left out: the preview shows its place empty.
    """
    found: dict[str, Any] = {}
    for root, supplier in suppliers.items():
        asked = asking(root)
        if asked is not None:
            supply = await supplier(tx, [asked])
            if asked.key in supply.data:
                found[root] = supply.data[asked.key]
    return found


def _is_silent(one: Claimed, found: Supply) -> bool:
    return one.kind != "test" and one.key in found.silent


async def require_known(
    tx: AsyncConnection, workspace: str, texts: Mapping[str, str], checks: Mapping[str, Check]
) -> None:
    """InvalidRequestError where texts (by their fields) speak of data that there are not."""
    for root, check in checks.items():
        found = [
            Spoken(field, source, one)
            for field, source in texts.items()
            for one in mentions(source, root)
        ]
        if found:
            await check(tx, workspace, found)


def _asking(one: Claimed, paths: frozenset[Path], person: Person | None) -> Asking:
    kept = one.kind != "test"
    return Asking(one.key, one.channel, paths, person, kept, one.campaign_id)
