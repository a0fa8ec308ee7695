"""Words on groups for the tests, and who is in what: by going through every instant."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hypothesis import strategies as st
from services.profile.tests.people import event

from rapport_common.events.envelope import Event
from rapport_profile.domain.groups.kinds import GroupKind
from rapport_profile.domain.groups.membership import Word

LEFT = "Group Left"


class Part(NamedTuple):
    """How somebody is in a group: what tests compare."""

    key: str
    since: datetime
    role: str | None
    is_verified: bool


def joined(message_id: str, key: str, /, kind: str = "company", **fields: Any) -> Event:
    """A `group` call; `role` and `traits` of the group, the rest as of `event`."""
    traits = {**fields.pop("traits", {}), "groupType": kind}
    if role := fields.pop("role", None):
        traits["groupRole"] = role
    return event(message_id, type="group", group_id=key, traits=traits, **fields)


def left(message_id: str, key: str, /, kind: str = "company", **fields: Any) -> Event:
    """Somebody is in a group no more."""
    said = {"groupId": key, "groupType": kind}
    return event(message_id, name=LEFT, said=said, **fields)


@st.composite
def words(draw: st.DrawFn) -> Event:
    """Few people, groups and messages, so that everything collides with everything."""
    named = [("A", None), ("B", None), (None, "x"), ("A", "x"), ("B", "y")]
    user, device = draw(st.sampled_from(named))
    fields: dict[str, Any] = {
        "at": draw(st.integers(0, 5)),
        "trust": draw(st.sampled_from(["trusted", "trusted", "public"])),
        "kind": draw(st.sampled_from(["company", "household"])),
        "user_id": user,
        "anonymous_id": device,
    }
    message_id = draw(st.sampled_from([f"m{number}" for number in range(10)]))
    key = draw(st.sampled_from("gh"))
    if draw(st.sampled_from([False, False, True])):
        return left(message_id, key, **fields)
    fields["role"] = draw(st.sampled_from([None, "owner"]))
    name, value = draw(st.sampled_from("pq")), draw(st.sampled_from([1, "a", None]))
    return joined(message_id, key, traits={name: value}, **fields)


def parts(words_: Iterable[Word], rule: GroupKind) -> set[Part]:
    """In which groups of one kind somebody is: all words but the last are gone through, then it."""
    ordered = sorted(words_, key=lambda one: one.stamp.order)
    verified = _standing([one for one in ordered if one.is_trusted], rule.most)
    others: dict[str, tuple[datetime, str | None]] = {}
    if rule.public == "membership":
        room = rule.most - len(verified)
        heard = [
            one
            for one in ordered
            if one.key not in verified and (not one.is_trusted or one.verb == "out")
        ]
        others = _standing(heard, room)
    return {Part(key, *one, is_verified=True) for key, one in verified.items()} | {
        Part(key, *one, is_verified=False) for key, one in others.items()
    }


def _standing(words_: Sequence[Word], room: int) -> dict[str, tuple[datetime, str | None]]:
    """{key: (since, role)} after the last of these words."""
    if not words_ or not room:
        return {}
    *earlier, last = words_
    before = _standing(earlier, room)
    if last.verb == "out":
        return {key: one for key, one in before.items() if key != last.key}
    since, role = before.get(last.key, (last.stamp.at, None))
    rest = {key: one for key, one in before.items() if key != last.key}
    spoken = {one.key: place for place, one in enumerate(earlier) if one.verb == "in"}
    kept = sorted(rest, key=lambda key: spoken[key])[max(0, len(rest) - room + 1) :]
    return {key: rest[key] for key in kept} | {last.key: (since, last.role or role)}
