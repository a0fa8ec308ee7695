"""Reads records of `profile.activity` as far as a service follows them (pure)."""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.follower.domain import End, Step, Versions

MAX_VERSION = 2**63 - 1
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)

Reading = Callable[[int, ProfileActivity], Step | None]
"""From (index in the batch, record) to what it says; None if that is nothing of ids."""


def reading(sections: Sequence[str], *, ids_are_uuids: bool) -> Reading:
    """The reading of records by who follows these sections."""
    versions_of: Callable[[Any], Versions]
    if len(sections) == 1:
        one = attrgetter(sections[0])
        versions_of = lambda versions: (one(versions),)  # noqa: E731 - attrgetter gives no tuple
    else:
        versions_of = attrgetter(*sections)
    places = tuple((place, attrgetter(name)) for place, name in enumerate(sections))
    to_id = _uuid if ids_are_uuids else _text

    def read(index: int, record: ProfileActivity) -> Step | None:
        if not 0 < record.version <= MAX_VERSION:
            raise InvalidEvent(index, f"version {record.version}: out of range")
        workspace = _text(index, "workspace", record.workspace)
        key = (workspace, to_id(index, "profile_id", record.profile_id))
        if record.versions is None:
            if record.gone or record.merged_into is not None:
                own = _own_end(index, record, key, to_id)
                return Step(key, record.version, record, ends=(own,))
            if record.event is None:
                raise InvalidEvent(index, "neither versions nor merged_into nor gone")
            # A later record tells what has become of the profile.
            return None
        versions = versions_of(record.versions)
        if not 0 <= min(versions) <= max(versions) <= MAX_VERSION:
            raise InvalidEvent(index, f"versions {versions}: out of range")
        told = tuple([place for place, section in places if section(record) is not None])
        if not record.absorbed:
            return Step(key, record.version, record, versions, told)
        ends = tuple(
            End(
                (workspace, to_id(index, "absorbed.profile_id", one.profile_id)),
                _in_range(index, one.version),
                key[1],
                record.version,
            )
            for one in record.absorbed
        )
        return Step(key, record.version, record, versions, told, ends)

    return read


def _own_end(
    index: int,
    record: ProfileActivity,
    key: tuple[str, str],
    to_id: Callable[[int, str, str], str],
) -> End:
    if record.merged_into is None:
        return End(key, record.version)
    heir = to_id(index, "merged_into", record.merged_into)
    return End(key, record.version, heir, record.into_version)


def _in_range(index: int, version: int) -> int:
    if not 0 < version <= MAX_VERSION:
        raise InvalidEvent(index, f"absorbed version {version}: out of range")
    return version


def _text(index: int, name: str, text: str) -> str:
    """Postgres has no NUL character in texts: a record with one can never be stored."""
    if "\0" in text:
        raise InvalidEvent(index, f"{name} {text[:80]!r} has a NUL character")
    return text


def _uuid(index: int, name: str, text: str) -> str:
    if _CANONICAL.fullmatch(text):
        return text
    try:
        return str(UUID(text))
    except ValueError as error:
        raise InvalidEvent(index, f"{name} {text[:80]!r} is not a UUID") from error
