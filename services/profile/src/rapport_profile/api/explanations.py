"""Why identifiers are one person, or are not, as it is shown."""

from typing import Any
from uuid import UUID

from rapport_common.events.envelope import Identifier
from rapport_profile.domain.explaining import KEEP_APART, SEVERAL_USERS, Obstacle, Step
from rapport_profile.domain.limits import MAX_NEW, MAX_PER_PROFILE
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.explaining import Explanation

_Names = dict[Id, Identifier]


def shown(profile_id: UUID, told: Explanation) -> dict[str, Any]:
    """An explanation, as the API answers."""
    return {
        "profile_id": profile_id,
        "other_profile_id": told.other,
        "chain": [_link(one, told.names) for one in told.way],
        "obstacles": [_obstacle(one, told) for one in told.obstacles],
    }


def _link(one: Step, names: _Names) -> dict[str, Any]:
    timestamp, message_id, source = one.evidence
    return {
        "a": _identifier(names[one.a]),
        "b": _identifier(names[one.b]),
        "kind": one.kind,
        "timestamp": timestamp,
        "message_id": message_id,
        "source": source,
    }


def _obstacle(one: Obstacle, told: Explanation) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "identifiers": [_identifier(told.names[each]) for each in one.at],
        "kind": one.kind,
        "most": one.most,
        "days": one.days,
        "users": [_identifier(told.names[each]) for each in one.users],
        "decision_id": None if one.apart is None else told.decisions.get(one.apart),
        "told": _told(one, told.names),
    }


def _identifier(one: Identifier) -> dict[str, str]:
    return {"kind": one[0], "value": one[1]}


def _told(one: Obstacle, names: _Names) -> str:
    about = [_words(names[each]) for each in one.at]
    users = ", ".join(_words(names[each]) for each in one.users)
    if one.rule == SEVERAL_USERS:
        if len(about) == 1:
            return f"{about[0]} was seen with several users ({users}): it belongs to none."
        return f"Over {about[0]} and {about[1]} several users would meet ({users})."
    if one.rule == KEEP_APART and one.apart is not None:
        first, second = (_words(names[each]) for each in one.apart)
        return f"An operator has said that {first} and {second} are never one person."
    if one.rule not in {MAX_PER_PROFILE, MAX_NEW}:
        return "No event names both, and no chain of events leads from one to the other."
    limit = f"at most {one.most} {one.kind}"
    if one.rule == MAX_NEW:
        limit = f"at most {one.most} new {one.kind} within {one.days} days"
    if len(about) == 1:
        return f"A person has {limit}, and {about[0]} was seen with more: it belongs to nobody."
    return f"A person has {limit}: with the link of {about[0]} and {about[1]} it would be more."


def _words(one: Identifier) -> str:
    return f"{one[0]} '{one[1]}'"
