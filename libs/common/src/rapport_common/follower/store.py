"""The SQL of who a service follows."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.follower.domain import Held, Key
from rapport_common.follower.tables import Followed

MAX_CHAIN = 50
"""So many merges one after the other are followed from an id to who it is now."""

Stored = tuple[str | None, ...]
"""The sections of an id as they are kept, in their order; None: it is not, or was not asked for."""

_PLAIN = ("known = true", "ended = 0", "heir = NULL", "into_version = 0", "lacks = NULL")
_ENDS = {
    "known": "CAST(:known AS bool[])",
    "ended": "CAST(:ended AS bigint[])",
    "into_version": "CAST(:into AS bigint[])",
    "lacks": "CAST(:lacks AS text[])",
}

TextOf = Callable[[Key, int, Any], str]
"""From (key, place of the section, record that told it) to the text that is kept of it."""


class FollowerStore:
    """Reads and writes the table `person` of one service."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self._table = f"{followed.schema}.person"
        ids = "CAST(:ids AS uuid[])" if followed.ids == "uuid" else packed_texts("ids")
        self._key = f"{packed_texts('workspaces')}, {ids}"
        self._keys = f"unnest({self._key}) AS v(workspace, profile_id)"
        versions = [f"p.{name}_version" for name in followed.sections]
        self._held = ", ".join(
            [
                "p.workspace, CAST(p.profile_id AS text) AS profile_id, p.ended",
                "CAST(p.heir AS text) AS heir, p.into_version, p.lacks",
                *versions,
            ]
        )
        self._lock, self._lock_and_read = self._locking()
        self._saving: Callable[[frozenset[int], bool], TextClause] = cache(self._save)

    async def held(self, tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, Held]:
        """What is held of these ids, of those that there are; nothing is locked."""
        rows = await tx.execute(self._peek, self._split(keys))
        return {(row[0], row[1]): self._read(row) for row in rows.all()}

    async def shared(self, tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, Held]:
        """What is held of these ids, of those that there are; nobody changes it meanwhile."""
        if not keys:
            return {}
        rows = await tx.execute(self._share, self._split(keys))
        return {(row[0], row[1]): self._read(row) for row in rows.all()}

    async def lock(
        self, tx: AsyncConnection, wanted: Mapping[Key, int], *, reads: bool
    ) -> tuple[dict[Key, Held], dict[Key, Stored]]:
        """Lock these ids in the order of their keys, made if missing: (what is held, as kept).

        `wanted` are bits by the places of the sections whose text is to be read, too; for a service
        that `reads` any, all are of an id that lacks something.
        """
        held, stored = await self._lock_those_there(tx, wanted)
        missing = {key: wanted[key] for key in wanted if key not in held}
        if missing:
            await tx.execute(self._insert, self._split(missing))
            more, texts = await self._lock_those_there(tx, missing)
            held |= more
            stored |= texts
        lacking = [key for key, one in held.items() if one.lacks is not None] if reads else ()
        if lacking:
            everything = (1 << len(self.followed.sections)) - 1
            stored |= (await self._lock_those_there(tx, dict.fromkeys(lacking, everything)))[1]
        return held, stored

    async def _lock_those_there(
        self, tx: AsyncConnection, wanted: Mapping[Key, int]
    ) -> tuple[dict[Key, Held], dict[Key, Stored]]:
        if not any(wanted.values()):
            rows = await tx.execute(self._lock, self._split(wanted))
            return {(row[0], row[1]): self._read(row) for row in rows.all()}, {}
        width = len(self.followed.sections)
        given = {**self._split(wanted), "wanted": list(wanted.values())}
        held: dict[Key, Held] = {}
        stored: dict[Key, Stored] = {}
        for row in (await tx.execute(self._lock_and_read, given)).all():
            key = (row[0], row[1])
            held[key] = self._read(row)
            stored[key] = tuple(row[-width:])
        return held, stored

    async def save(
        self,
        tx: AsyncConnection,
        held: Mapping[Key, Held],
        news: Mapping[Key, Mapping[int, Any]],
        text_of: TextOf | None,
        *,
        cleared: bool,
    ) -> None:
        """Write what is held of locked ids; of the sections those that are news, by their places.

        `cleared`: some have lost sections. A section that stays as it is is not written.
        """
        if not held:
            return
        plain = {key: one for key, one in held.items() if one.is_plain}
        if plain:
            await self._write(tx, plain, news, text_of, is_plain=True)
        if len(plain) < len(held):
            others = {key: one for key, one in held.items() if not one.is_plain}
            every = range(len(self.followed.sections)) if cleared else ()
            await self._write(tx, others, news, text_of, every)

    async def _write(
        self,
        tx: AsyncConnection,
        held: Mapping[Key, Held],
        news: Mapping[Key, Mapping[int, Any]],
        text_of: TextOf | None,
        at_least: Iterable[int] = (),
        *,
        is_plain: bool = False,
    ) -> None:
        """Write the sections that are news to any, and those at the places `at_least`."""
        told = [news.get(key, {}) for key in held]
        places = sorted(set(at_least).union(*told))
        given = self._split(held)
        given["versions"] = [one.version for one in held.values()]
        if not is_plain:
            given |= _ends(held.values())
        for place in places:
            given[f"v{place}"] = [one.versions[place] for one in held.values()]
            if self.followed.kept is not None and text_of is not None:
                given[f"s{place}"] = [
                    text_of(key, place, by[place]) if place in by else None
                    for key, by in zip(held, told, strict=True)
                ]
        await tx.execute(self._saving(frozenset(places), is_plain), given)

    async def resolve(self, tx: AsyncConnection, keys: Iterable[Key]) -> dict[Key, str]:
        """Who each id is now, after all merges; an id without a merge is itself."""
        wanted = sorted(set(keys))
        if not wanted:
            return {}
        rows = await tx.execute(self._resolve, {**self._split(wanted), "deep": MAX_CHAIN})
        return {(row[0], row[1]): row[2] for row in rows.all()}

    async def lacking(self, tx: AsyncConnection) -> int:
        """Of how many ids something was missed, over all workspaces."""
        query = text(f"SELECT count(*) FROM {self._table} WHERE lacks IS NOT NULL")
        return int(await tx.scalar(query) or 0)

    def _split(self, keys: Collection[Key]) -> dict[str, Any]:
        """Parameters for keys, in the order given."""
        ids = [one[1] for one in keys]
        return {
            "workspaces": pack_texts([one[0] for one in keys]),
            "ids": ids if self.followed.ids == "uuid" else pack_texts(ids),
        }

    def _read(self, found: Row[Any]) -> Held:
        row: Sequence[Any] = found
        lacks = None if row[5] is None else tuple(row[5])
        end = 6 + len(self.followed.sections)
        return Held(tuple(row[6:end]), row[2], row[3], row[4], lacks)

    @cached_property
    def _peek(self) -> TextClause:
        return text(
            f"SELECT {self._held} FROM {self._keys} JOIN {self._table} p "
            "USING (workspace, profile_id)"
        )

    @cached_property
    def _share(self) -> TextClause:
        return text(f"{self._peek.text} ORDER BY p.workspace, p.profile_id FOR SHARE OF p")

    @cached_property
    def _insert(self) -> TextClause:
        return text(
            f"INSERT INTO {self._table} (workspace, profile_id, version) "
            f"SELECT v.workspace, v.profile_id, 0 FROM {self._keys} "
            "ORDER BY 1, 2 ON CONFLICT DO NOTHING"
        )

    def _locking(self) -> tuple[TextClause, TextClause]:
        """Locking alone, and with the sections that are asked for."""
        lock = "ORDER BY p.workspace, p.profile_id FOR NO KEY UPDATE OF p"
        joined = f"JOIN {self._table} p USING (workspace, profile_id) {lock}"
        bare = text(f"SELECT {self._held} FROM {self._keys} {joined}")
        if self.followed.kept is None:
            return bare, bare
        sections = ", ".join(
            f"CASE WHEN v.wanted & {1 << place} > 0 THEN CAST(p.{name} AS text) END AS {name}"
            for place, name in enumerate(self.followed.sections)
        )
        keys = f"unnest({self._key}, CAST(:wanted AS int[])) AS v(workspace, profile_id, wanted)"
        return bare, text(f"SELECT {self._held}, {sections} FROM {keys} {joined}")

    def _save(self, places: frozenset[int], is_plain: bool) -> TextClause:  # noqa: FBT001 - cached
        """Writes the sections at these places, and what is held of all."""
        names = self.followed.sections
        columns = {"version": "CAST(:versions AS bigint[])"}
        sets = ["version = v.version"]
        if is_plain:
            sets += _PLAIN
        else:
            columns |= _ENDS | {"heir": f"CAST(:heirs AS {self.followed.ids}[])"}
            sets += [f"{one} = v.{one}" for one in _ENDS if one != "lacks"]
            sets += ["heir = v.heir", "lacks = CAST(v.lacks AS bigint[])"]
        for place in sorted(places):
            name = names[place]
            columns[f"{name}_version"] = f"CAST(:v{place} AS bigint[])"
            sets.append(f"{name}_version = v.{name}_version")
            if self.followed.kept is not None:
                columns[name] = f"CAST(:s{place} AS text[])"
                new = f"COALESCE(CAST(v.{name} AS {self.followed.kept}), p.{name})"
                sets.append(f"{name} = CASE WHEN v.{name}_version > 0 THEN {new} END")
        return text(
            f"UPDATE {self._table} AS p SET {', '.join(sets)} "
            f"FROM unnest({self._key}, {', '.join(columns.values())}) "
            f"AS v(workspace, profile_id, {', '.join(columns)}) "
            "WHERE p.workspace = v.workspace AND p.profile_id = v.profile_id"
        )

    @cached_property
    def _resolve(self) -> TextClause:
        return text(
            "WITH RECURSIVE path AS ("
            "SELECT workspace, asked, asked AS at, 0 AS depth "
            f"FROM unnest({self._key}) AS w(workspace, asked) "
            "UNION ALL SELECT path.workspace, path.asked, p.heir, depth + 1 FROM path "
            f"JOIN {self._table} p ON p.workspace = path.workspace AND p.profile_id = path.at "
            "AND p.heir IS NOT NULL WHERE depth < :deep) "
            "SELECT DISTINCT ON (workspace, asked) workspace, CAST(asked AS text), "
            "CAST(at AS text) FROM path ORDER BY workspace, asked, depth DESC"
        )


def _ends(held: Collection[Held]) -> dict[str, Any]:
    """Parameters for what is not the same of all who never ended."""
    return {
        "known": [one.known for one in held],
        "ended": [one.ended for one in held],
        "heirs": [one.heir for one in held],
        "into": [one.into_version for one in held],
        "lacks": [_array(one.lacks) for one in held],
    }


def _array(versions: Sequence[int] | None) -> str | None:
    return None if versions is None else "{" + ",".join(map(str, versions)) + "}"
