"""Segments that are made of rules which come with Rapport, each under a name of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator
from rapport_common.errors import InvalidRequestError
from rapport_segment.domain.operands import RuleError
from rapport_segment.handlers import segments
from rapport_segment.store import definitions
from rapport_segment.store.definitions import Listed


@dataclass(frozen=True, slots=True)
class Adopted:
    """The segments that were made, and those of the same names that there were already."""

    added: list[Listed]
    present: list[Listed]


async def adopt(
    tx: AsyncConnection,
    caller: Operator,
    rules: Mapping[str, dict[str, Any]],
    *,
    active: bool = True,
) -> Adopted:
    """Make a segment of each of these rules, by name, whose name is free. What has the name stays
    as it is, whatever its rule: somebody may have changed it. Not `active`: as drafts.
    """
    # Before the look: who adopts the same at this moment is to find what is made here.
    await definitions.hold(tx, caller.workspace)
    done = Adopted([], [])
    for name, rule in rules.items():
        known = await definitions.named(tx, caller.workspace, name)
        if known is None:
            done.added.append(await _made(tx, caller, name, rule, active=active))
        else:
            done.present.append(await segments.require_listed(tx, caller.workspace, known))
    return done


async def _made(
    tx: AsyncConnection, caller: Operator, name: str, rule: dict[str, Any], *, active: bool
) -> Listed:
    try:
        return await segments.create(tx, caller, name, rule, active=active)
    except RuleError as error:
        # Of many segments that are adopted at once, nobody saw the rules.
        raise InvalidRequestError(
            f"{name}: {error.message}", code=error.code, details={**error.details, "segment": name}
        ) from error
