"""Declaring kinds of groups: what was said before is worked out anew by them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import NewDue
from rapport_profile.domain.groups.kinds import GroupRules
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.handlers.rules import declare
from rapport_profile.store.due import DUE, GROUPS_OF_ALL
from rapport_profile.store.rules import GROUP_RULES, Version


async def declare_kinds(
    tx: AsyncConnection,
    workspace: str,
    declared: GroupRules,
    *,
    after: int,
    by: tuple[str, str],
) -> Version[GroupRules]:
    """Let kinds follow version `after` (`by`: who, why); errors as of `declare`."""
    made = await declare(tx, GROUP_RULES, workspace, declared, after=after, by=by)
    await DUE.schedule(tx, [NewDue(workspace, GROUPS_OF_ALL, str(made.version), EARLIEST)])
    return made
