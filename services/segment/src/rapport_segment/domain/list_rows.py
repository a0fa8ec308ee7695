"""Rows of a file that a list is made of: which of their columns are identifiers."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rapport_common.events.envelope import Identifier
from rapport_common.events.kinds import KINDS, is_kind
from rapport_common.files.rows import Encoding
from rapport_segment.domain.naming import Refused, kind_called, named

KIND, VALUE = "kind", "value"
"""Columns that say of each row itself what it is."""

NO_IDENTIFIER = Refused("no_identifier", "the row has no identifier")


class ListSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file is: `columns` are its columns of identifiers by kind, besides those that are
    called as a kind. One that `replaces` takes off the list what it does not have. `delimiter` and
    `encoding` are of CSV; the former is found in the first line when it is not given.
    """

    list_id: str
    form: str
    replaces: bool = False
    encoding: Encoding = "utf-8"
    delimiter: str | None = None
    columns: Mapping[str, str] = {}


def kinds_of(columns: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """The kind of each column that holds identifiers; `given` are columns by kind."""
    names = list(columns)
    found = {name: kind_called(name) for name in names if kind_called(name) in KINDS}
    return found | {column: kind for kind, column in given.items() if column in names}


def wrong_kind(given: Iterable[str]) -> str | None:
    """One of these that can't be a kind."""
    return next((one for one in given if not is_kind(kind_called(one))), None)


def identifiers_of(
    values: Mapping[str, Any], given: Mapping[str, str]
) -> list[Identifier] | Refused:
    """All identifiers of a row, or why it is not taken: one that is none spoils it."""
    if KIND in values and VALUE in values:
        cells = [(str(values[KIND]), values[VALUE])]
    else:
        kinds = kinds_of(values, given)
        cells = [(kind, values[column]) for column, kind in kinds.items()]
    found: list[Identifier] = []
    for kind, value in cells:
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        one = named(kind, value)
        if isinstance(one, Refused):
            return one
        found.append(one)
    return found or NO_IDENTIFIER
