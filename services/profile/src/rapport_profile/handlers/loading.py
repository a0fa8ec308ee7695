"""People are loaded, and all their identifiers only where it turns out that these are needed."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from rapport_profile.domain.steps import IncompleteError
from rapport_profile.store.people import Scoped

Loaded = TypeVar("Loaded")
Done = TypeVar("Done")


async def done_with(
    load: Callable[[Collection[Scoped]], Awaitable[Loaded]],
    change: Callable[[Loaded], Awaitable[Done]],
) -> tuple[Loaded, Done]:
    """Load, and change what is loaded; both.

    When a profile turns out to be one that has to be made anew from all its identifiers, it is
    loaded again with the profiles that are named, and changed again: nothing has been written yet.
    """
    whole: set[Scoped] = set()
    while True:
        loaded = await load(whole)
        try:
            return loaded, await change(loaded)
        except IncompleteError as error:
            if error.wanted <= whole:
                raise
            whole |= error.wanted
