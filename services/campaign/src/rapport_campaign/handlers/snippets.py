"""What operators ask for: snippets, and who is concerned when one is another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.snippets import DEEPEST, NAME, SnippetError, calls
from rapport_campaign.domain.templates import Snippet, Template
from rapport_campaign.handlers.suppliers import CHECKS
from rapport_campaign.handlers.supplying import require_known
from rapport_campaign.handlers.templates import require_made
from rapport_campaign.render.authoring import Made, Piecework
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import snippets as store
from rapport_campaign.store import templates
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError

MOST_SNIPPETS = 500
MOST_SHOWN = 200
"""Templates and campaigns that are told of at once."""


@dataclass(frozen=True, slots=True)
class Users:
    """Who has a snippet in it: snippets, templates, and the campaigns on these."""

    snippets: list[str]
    templates: list[Template]
    campaigns: list[Row[Any]]


async def require(tx: AsyncConnection, workspace: str, name: str) -> Snippet:
    """A living snippet, or NotFoundError."""
    found = await store.find(tx, workspace, name) if NAME.fullmatch(name) else None
    if found is None:
        raise NotFoundError(f"There is no snippet {name!r} in this workspace.")
    return found


async def wanted(tx: AsyncConnection, workspace: str, sources: Iterable[str]) -> dict[str, Snippet]:
    """The snippets that some sources call, and those that these call, as far as there are any."""
    known: dict[str, Snippet] = {}
    asked = _called(sources)
    # One more than is allowed: that it is too deep is told by who puts them in.
    for _ in range(DEEPEST + 1):
        found = await store.named(tx, workspace, asked - known.keys())
        known |= found
        asked = _called(one.source for one in found.values())
        if not asked - known.keys():
            break
    return known


def _called(sources: Iterable[str]) -> set[str]:
    names: set[str] = set()
    for source in sources:
        try:
            names |= {one.name for one in calls(source)}
        except SnippetError:
            # Told where the source is looked at.
            continue
    return names


async def looked_at(
    tx: AsyncConnection, renderer: Renderer, workspace: str, name: str, source: str
) -> Made:
    """What a snippet uses; InvalidRequestError for what is wrong with it."""
    await require_known(tx, workspace, {"source": source}, CHECKS)
    known = await wanted(tx, workspace, [source])
    others = {one: known[one].source for one in known}
    # What it is to be, not what it was.
    found = await renderer.look(Piecework(name, source, others | {name: source}))
    return require_made([("", found)])[0]


async def save(tx: AsyncConnection, made: Snippet, uses: Sequence[str], *, version: int) -> None:
    """Write a snippet's next version, if its newest is still `version` (0: there is none)."""
    living = await store.find(tx, made.workspace, made.name)
    there = living.version if living else 0
    if there != version:
        message = f"Snippet {made.name!r} is at version {there}: look at it, and send that version."
        if there == 0:
            message = f"There is no snippet {made.name!r} (any more): make it."
        elif version == 0:
            message = f"There is a snippet {made.name!r} already: change it."
        raise ConflictError(message, details={"version": there, "name": made.name})
    if living is None and await store.number(tx, made.workspace) >= MOST_SNIPPETS:
        message = f"A workspace has at most {MOST_SNIPPETS} snippets: archive one."
        raise InvalidRequestError(message, details={"limit": MOST_SNIPPETS})
    await store.add(tx, made, uses)


async def archive(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take a snippet away that nothing has in it; what was made with it stays as it is."""
    await store.seize(tx, workspace)
    await require(tx, workspace, name)
    found = await users(tx, workspace, name)
    if found.snippets or found.templates:
        names = [*found.snippets, *(one.name for one in found.templates)]
        message = f"Snippet {name!r} is in {', '.join(names[:10])}: take it out there first."
        details = {
            "snippets": found.snippets,
            "template_ids": [one.template_id for one in found.templates],
        }
        raise ConflictError(message, details=details)
    await store.archive(tx, workspace, name)


async def users(tx: AsyncConnection, workspace: str, name: str) -> Users:
    """Who has a snippet in it."""
    found = await templates.using(tx, workspace, name, MOST_SHOWN)
    on_these = await templates.campaigns_of(
        tx, workspace, [one.template_id for one in found], MOST_SHOWN
    )
    return Users(await store.users(tx, workspace, name), found, on_these)


def versions_of(known: Mapping[str, Snippet], uses: Iterable[str]) -> dict[str, int]:
    """Which version of each snippet was put in."""
    return {name: known[name].version for name in uses}
