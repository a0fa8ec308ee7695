"""Whether a released version's record has stayed readable: for readers of before, and of them.

During a deploy, and for as long as the log is kept, programs of two releases read each other's
records of one version. So its JSON Schema may gain optional fields and nothing else; any other
change is a new version.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# What is compared part by part, or is for people only.
_APART = {
    *("$ref", "$defs", "$schema", "title", "description", "default"),
    *("properties", "required", "additionalProperties", "items", "prefixItems", "anyOf", "enum"),
}


def breaks(released: Schema, current: Schema) -> list[str]:
    """What a reader of the released schema, or of its records, could stumble over; a line each."""
    return list(_Comparison(released, current).breaks(released, current, ""))


class _Comparison:
    """Walks two documents side by side; references are followed, and each pair only once."""

    def __init__(self, released: Schema, current: Schema) -> None:
        self._defs = (released.get("$defs", {}), current.get("$defs", {}))
        self._seen: set[tuple[str | None, str | None]] = set()

    def breaks(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        names = (old.get("$ref"), new.get("$ref"))
        yield from _default(old, new, path)
        if any(names):
            if names in self._seen:
                return
            self._seen.add(names)
            old, new = self._meant(old, 0), self._meant(new, 1)
        for word in sorted({*old, *new} - _APART):
            if old.get(word) != new.get(word):
                yield f"{path or '/'}: {word} was {old.get(word)}, is {new.get(word)}"
        if set(old.get("enum", [])) != set(new.get("enum", [])):
            yield f"{path or '/'}: was one of {old.get('enum')}, is one of {new.get('enum')}"
        yield from self._options(old, new, path)
        yield from self._fields(old, new, path)
        yield from self._elements(old, new, path)

    def _meant(self, schema: Schema, side: int) -> Schema:
        name = schema.get("$ref")
        if name is None:
            return schema
        found: Schema = self._defs[side][name.removeprefix("#/$defs/")]
        return found

    def _options(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        left = list(new.get("anyOf", []))
        for option in old.get("anyOf", []):
            same = next((one for one in left if not self._differ(option, one, path)), None)
            if same is None:
                yield f"{path or '/'}: what it may be has changed"
                return
            left.remove(same)
        if left:
            yield f"{path or '/'}: it may be what it could not be before"

    def _differ(self, old: Schema, new: Schema, path: str) -> bool:
        """Whether two options differ; a guess that is wrong leaves no trace."""
        seen = set(self._seen)
        found = next(self.breaks(old, new, path), None)
        if found is not None:
            self._seen = seen
        return found is not None

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, now = old.get("properties", {}), new.get("properties", {})
        for name in sorted({*new.get("required", [])} - {*old.get("required", [])}):
            yield f"{path}/{name}: it is required, and records of before lack it"
        for name in sorted({*old.get("required", [])} - {*new.get("required", [])}):
            if name in now:
                yield f"{path}/{name}: it is not required, and readers of before want it"
        for name in sorted(before):
            if name in now:
                yield from self.breaks(before[name], now[name], f"{path}/{name}")
            else:
                yield f"{path}/{name}: it is gone"

    def _elements(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        for word in ("items", "additionalProperties"):
            one, other = old.get(word), new.get(word)
            if isinstance(one, dict) and isinstance(other, dict):
                yield from self.breaks(one, other, f"{path}/*")
            elif one != other:
                yield f"{path or '/'}: {word} was {one}, is {other}"
        before, now = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(now) < len(before):
            yield f"{path or '/'}: it has {len(now)} elements, and had {len(before)}"
        for number, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from self.breaks(one, other, f"{path}/{number}")


def _default(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """A default is what is meant where a record says nothing."""
    before, now = old.get("default"), new.get("default")
    if isinstance(before, dict) and isinstance(now, dict):
        # What it gained has defaults of its own.
        now = {name: value for name, value in now.items() if name in before}
    if isinstance(before, list) and isinstance(now, list):
        now = now[: len(before)]
    if before != now:
        yield f"{path or '/'}: its default was {before}, is {now}"
