"""The columns that an import's mapping names, and whether the file has them.

Without one of them each row would be taken, and what it was mapped to would be in no event.
"""

from collections.abc import Sequence
from string import Formatter

from rapport_common.errors import InvalidRequestError
from rapport_ingest.domain.imports import ImportSpec, mapping_for
from rapport_ingest.domain.mapping import WHOLE, Field, Mapping
from rapport_ingest.domain.presets import NEEDED_COLUMNS

MAX_LISTED = 50
MAX_SHOWN = 100


def require_columns(spec: ImportSpec, found: Sequence[str] | None) -> None:
    """InvalidRequestError when a column is mapped that the file has not.

    `found` is None when each row names its own. What a preset needs is there; the rest may be.
    """
    mapping = mapping_for(spec)
    if found is None or mapping is None:
        return
    wanted = NEEDED_COLUMNS[spec.preset] if spec.preset else columns_of(mapping)
    there = set(found)
    if spec.form == "parquet":
        missing = [one for one in wanted if not (there & {one, one.partition(".")[0]})]
    else:
        missing = [one for one in wanted if one not in there]
    if missing:
        message = (
            f"The file has no column {_listed(missing)}, which the mapping names. Its columns "
            f"are {_listed(found)}."
        )
        details = {"missing": missing[:MAX_LISTED], "columns": list(found[:MAX_LISTED])}
        raise InvalidRequestError(message, code="unknown_columns", details=details)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(f"'{one[:MAX_SHOWN]}'" for one in names[:MAX_LISTED]) + more


def columns_of(mapping: Mapping) -> list[str]:
    """The columns that a mapping names, in its order, each once; `.` is none."""
    grouping = mapping.group_by or ""
    patterns = [mapping.event or "", grouping if "{" in grouping else ""]
    paths = [] if "{" in grouping else [grouping]
    for source in (*mapping.fields.values(), *mapping.lines.values()):
        field = Field(path=source) if isinstance(source, str) else source
        paths += [field.path or "", *field.sum]
        patterns.append(field.template or "")
    named = [name for one in patterns for _, name, _, _ in Formatter().parse(one)]
    return list(dict.fromkeys(one for one in (*paths, *named) if one and one != WHOLE))
