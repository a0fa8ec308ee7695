"""What the webhooks of a service are told of, in its API's own terms."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.webhooks.records import PostState

T = TypeVar("T")
Wants = TypeVar("Wants", bound=BaseModel)
Check = Callable[[AsyncConnection, str, Wants], Awaitable[None]]


def _once(values: list[T]) -> list[T]:
    return list(dict.fromkeys(values))


Distinct = Annotated[list[T], AfterValidator(_once)]
"""A list in which each stands once."""


async def anything(_tx: AsyncConnection, _workspace: str, _wants: BaseModel) -> None:
    """Nothing more is asked of what a webhook wants."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms(Generic[Wants]):
    """`wants`: the fields that say what a webhook is told of; each has a default, and all of them
    as JSON are what is kept. `subject`: the field of a post that names what orders it, and what
    that is (`about`). `listed`: which posts are listed if nobody says; None: all.
    """

    wants: type[Wants]
    subject: str
    about: str
    example: JsonDict
    listed: PostState | None = None
    check: Check[Wants] = field(default=anything)
    """Refuses (RapportError) what can't be wanted in a workspace, such as what is not there."""

    def kept(self, wants: Wants) -> dict[str, Any]:
        """What is wanted, as it is kept."""
        return wants.model_dump(mode="json")
