"""Defining computed traits: a version holds from now on, and a job fills it from the timelines."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.idempotency import Once
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_profile.domain.computed.checking import DefinitionError, check, check_name
from rapport_profile.domain.computed.definition import MAX_DEFINITIONS, Definition, is_same
from rapport_profile.handlers.filling import Wanted
from rapport_profile.handlers.jobs import begin, made_before, start
from rapport_profile.handlers.telling_traits import tell
from rapport_profile.store import computed_traits as store
from rapport_profile.store.computed_traits import Version
from rapport_profile.store.jobs import FILL_COMPUTED

By = tuple[str, str]
"""(who, why)"""


class Defined(NamedTuple):
    """A new version, and the job that fills it."""

    version: Version
    job: Job


def require_possible(name: str, definition: Definition, where: str = "") -> None:
    """InvalidRequestError says what of a definition can't be; `where`: what it stands in."""
    try:
        check_name(name)
        check(definition)
    except DefinitionError as error:
        place = error.where if error.where == "name" else f"{where}{error.where}"
        message = f"{place}: {error}."
        raise InvalidRequestError(message, details={"field": place}) from error


async def define(
    tx: AsyncConnection, workspace: str, name: str, definition: Definition, *, after: int, by: By
) -> Defined:
    """Let a definition follow version `after` of its name (0: there is none).

    ConflictError when it is at another one by now, or there are too many.
    """
    require_possible(name, definition, "definition.")
    await store.hold(tx)
    known = await _known(tx, workspace, name, after)
    await _require_room(tx, workspace, {name})
    wanted = await _add(tx, workspace, {name: definition}, {name: known}, by)
    job = await start(tx, None, workspace, FILL_COMPUTED, msgspec.to_builtins(wanted))
    await tell(tx, workspace, [name])
    return Defined(await found(tx, workspace, name), job)


async def end(tx: AsyncConnection, workspace: str, name: str, *, after: int, by: By) -> Job:
    """Let a computed trait be no more: people are told so by a job."""
    await store.hold(tx)
    last = await found(tx, workspace, name)
    await _known(tx, workspace, name, after)
    await store.add(tx, workspace, name, last.version + 1, None, by=by)
    await tell(tx, workspace, [name])
    wanted = Wanted(drop=await store.left_over(tx, workspace, [name]))
    return await start(tx, None, workspace, FILL_COMPUTED, msgspec.to_builtins(wanted))


async def adopt(
    tx: AsyncConnection, once: Once, workspace: str, some: Mapping[str, Definition], by: By
) -> Job:
    """Define several at once, those left out that are defined just so; the job that fills them."""
    new, asked = uuid7_text(), [sorted(some), _zone(some), by[1]]
    await store.hold(tx)
    if made := await made_before(tx, once, workspace, asked=asked, job_id=new):
        return made
    known = {name: await store.find(tx, workspace, name) for name in some}
    news = {
        name: one
        for name, one in some.items()
        if (last := known[name]) is None or not is_same(last.definition, one)
    }
    await _require_room(tx, workspace, news)
    versions = {name: 0 if (one := known[name]) is None else one.version for name in news}
    wanted = await _add(tx, workspace, news, versions, by)
    await tell(tx, workspace, sorted(some))
    return await begin(tx, workspace, NewJob(new, FILL_COMPUTED, msgspec.to_builtins(wanted)))


def _zone(some: Mapping[str, Definition]) -> list[str]:
    return sorted({one.zone for one in some.values()})


async def fill_again(tx: AsyncConnection, once: Once, workspace: str, name: str) -> Job:
    """Begin anew to fill the version that holds, whatever a job has left of it."""
    new = uuid7_text()
    await store.hold(tx)
    if made := await made_before(tx, once, workspace, asked=name, job_id=new):
        return made
    last = await found(tx, workspace, name)
    await store.move_on(tx, workspace, [last.id], "filling", ("filling", "telling", "live"))
    wanted = Wanted(fill=[last.id], drop=await store.left_over(tx, workspace, [name]))
    return await begin(tx, workspace, NewJob(new, FILL_COMPUTED, msgspec.to_builtins(wanted)))


async def found(tx: AsyncConnection, workspace: str, name: str) -> Version:
    """The version that holds; NotFoundError when there is none."""
    last = await store.find(tx, workspace, name)
    if last is None or last.definition is None:
        message = f"There is no computed trait '{name}' in this workspace."
        raise NotFoundError(message, details={"name": name})
    return last


async def _known(tx: AsyncConnection, workspace: str, name: str, after: int) -> int:
    """The number of the last version; it is `after`, or that is 0 and none holds."""
    last = await store.find(tx, workspace, name)
    if last is None:
        holds = number = 0
    else:
        number = last.version
        holds = 0 if last.definition is None else number
    if holds != after:
        message = (
            f"'{name}' is at version {holds}, not {after}: look at it, and send yours again with "
            f"`version` {holds}."
        )
        raise ConflictError(message, details={"version": holds})
    return number


async def _require_room(tx: AsyncConnection, workspace: str, names: Iterable[str]) -> None:
    defined = await store.listed(tx, workspace, MAX_DEFINITIONS + 1, None)
    number = len({one.name for one in defined}.union(names))
    if number > MAX_DEFINITIONS:
        message = (
            f"A workspace has at most {MAX_DEFINITIONS} computed traits, and these would be "
            f"{number}: end some first."
        )
        raise ConflictError(message, details={"most": MAX_DEFINITIONS, "would_be": number})


async def _add(
    tx: AsyncConnection,
    workspace: str,
    some: Mapping[str, Definition],
    versions: Mapping[str, int],
    by: By,
) -> Wanted:
    added = [
        await store.add(tx, workspace, name, versions[name] + 1, one, by=by)
        for name, one in sorted(some.items())
    ]
    return Wanted(fill=added, drop=await store.left_over(tx, workspace, list(some)))
