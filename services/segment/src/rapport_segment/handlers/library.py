"""The shipped library: segments that a shop needs, shown with their values, and adopted."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator
from rapport_common.errors import NotFoundError
from rapport_segment.domain.library.parameters import Given, ParameterError
from rapport_segment.domain.library.shipped import Shipped
from rapport_segment.handlers.adopting import Adopted, adopt

DATA = "domain/library/shop.toml"


class _File(msgspec.Struct):
    segments: list[Shipped]


@cache
def library() -> Mapping[str, Shipped]:
    """All of them, by id, in the order of the file."""
    data = files("rapport_segment").joinpath(DATA).read_bytes()
    return {one.id: one for one in msgspec.toml.decode(data, type=_File).segments}


def require(library_id: str) -> Shipped:
    """One of them, or NotFoundError."""
    found = library().get(library_id)
    if found is None:
        message = f"No segment {library_id!r} comes with Rapport. GET /v1/segments/library has all."
        raise NotFoundError(message)
    return found


async def adopt_shipped(
    tx: AsyncConnection,
    caller: Operator,
    ids: Sequence[str],
    given: Mapping[str, Given],
    *,
    name: str | None = None,
    active: bool = True,
) -> Adopted:
    """Make segments of these, each called by its title, or, of one, by `name`.

    What is `given` is for those that have such a parameter; ParameterError if none has, if one
    can't have that value, or if one has to be given and is not.
    """
    chosen = [require(one) for one in dict.fromkeys(ids)]
    known = {one.name for shipped in chosen for one in shipped.parameters}
    for unknown in given.keys() - known:
        raise ParameterError(unknown, f"is no parameter of {', '.join(one.id for one in chosen)}")
    rules = {}
    for shipped in chosen:
        own = {one.name for one in shipped.parameters}
        filled = shipped.filled({key: one for key, one in given.items() if key in own})
        if filled.rule is None:
            message = f"has to be given for {shipped.id}: there is no value that fits every shop"
            raise ParameterError(filled.missing[0], message)
        rules[name or shipped.title] = filled.rule
    return await adopt(tx, caller, rules, active=active)
