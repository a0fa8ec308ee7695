"""Events of a dialect made one by one, so that what can't be read of one costs no other.

A refused event is kept as the draft of it: in Segment's shape, so that it can be repaired.
"""

from collections.abc import Callable, Sequence

import msgspec

from rapport_common.errors import AppError
from rapport_ingest.domain.dialects import Opened
from rapport_ingest.domain.dialects.draft import Draft, Members, members, unreadable
from rapport_ingest.domain.salvage import UNREADABLE, check_count, cut_out, is_json, not_json
from rapport_ingest.domain.verdict import Refusal

Make = Callable[[Members, msgspec.Raw], Sequence[Draft]]
"""The drafts of the events in one object, at least one; the object's bytes are for its id."""

_array = msgspec.json.Decoder(list[msgspec.Raw])
_first = msgspec.json.Decoder(dict[str, msgspec.Raw])


def items_of(body: bytes) -> Sequence[msgspec.Raw]:
    """The objects of a body that is an array of them, or one. AppError: not JSON, too many."""
    if body.lstrip()[:1] != b"[":
        if not is_json(body):
            try:
                _first.decode(body)
            except UNREADABLE as error:
                raise not_json(error) from error
        return [msgspec.Raw(body)]
    try:
        found = _array.decode(body)
    except UNREADABLE as error:
        found = cut_out(b'{"batch":' + body + b"}", "batch", error)[1]
    check_count(len(found))
    return found


def batch_of(body: bytes, name: str) -> tuple[Members, Sequence[msgspec.Raw]]:
    """(the members around, the objects) of `{name: [object, …], …}`. AppError as `items_of`."""
    try:
        around = _first.decode(body)
        found = _array.decode(around[name])
    except (KeyError, msgspec.ValidationError) as error:
        message = f'The body must be {{"{name}": [event, …]}}.'
        raise AppError(message, code="invalid_batch") from error
    except UNREADABLE as error:
        rest, found = cut_out(body, name, error)
        around = members(rest) or {}
    check_count(len(found))
    return around, found


def drafted(raws: Sequence[msgspec.Raw], field: str, make: Make) -> Opened:
    """Each object made into events by `make`; `field` is where its own id stands.

    `note` has the indices of the events of each object, for its verdict.
    """
    items: list[msgspec.Raw] = []
    refusals: dict[int, Refusal] = {}
    note: list[range] = []
    for raw in raws:
        began = len(items)
        found = members(raw)
        if found is None:
            refusals[began] = unreadable(raw, field.encode(), ValueError("it is no JSON object"))
            items.append(raw)
        else:
            for draft in make(found, raw):
                if (refusal := draft.refusal()) is not None:
                    refusals[len(items)] = refusal
                items.append(draft.raw())
        note.append(range(began, len(items)))
    return Opened(items, refusals=refusals, note=note)
