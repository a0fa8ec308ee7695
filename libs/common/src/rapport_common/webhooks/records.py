"""Receivers and posts as they are kept, and what is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

PostState = Literal["waiting", "delivered", "dead"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver as it is kept.

    `wants`: what it is told of, JSON in the service's terms. `reason`: why it is not `active`.
    `failures` are those since the last success, `failing_since` is when the first was. Its secrets
    are as kept: sealed.
    """

    workspace: str
    webhook_id: UUID
    url: str
    wants: Mapping[str, Any]
    active: bool
    reason: str | None
    secret: str
    former_secret: str | None
    former_until: datetime | None
    failures: int
    failing_since: datetime | None
    paused_until: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    created_at: datetime
    created_by: str

    def secrets(self, now: datetime) -> list[str]:
        """What posts are signed with now, as it is kept, the newest first."""
        is_former = self.former_until is not None and self.former_until > now
        return [self.secret, *([self.former_secret] if is_former and self.former_secret else [])]


@dataclass(frozen=True, slots=True)
class Post:
    """A post as it is kept; `body` is JSON. It is tried at `try_at`, unless it has `ended_at`."""

    post_id: UUID
    subject: str
    body: str
    created_at: datetime
    try_at: datetime
    attempts: int
    tried_at: datetime | None
    status: int | None
    error: str | None
    ended_at: datetime | None
    dead: bool

    @property
    def state(self) -> PostState:
        """Where it is."""
        if self.dead:
            return "dead"
        return "waiting" if self.ended_at is None else "delivered"


class Told(NamedTuple):
    """What is to be told: `body` is JSON, after Standard Webhooks 1.0.0.

    Posts of one `subject` leave in their order. `facts`: by which is decided who hears of it, in
    the order of the service's `Hearing`. `profile_id`: with whom it is forgotten; empty: nobody.
    """

    workspace: str
    subject: str
    facts: tuple[str, ...]
    body: str
    profile_id: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is told of what, in SQL: `hears` compares what a webhook `w` wants with a thing `v`.

    `wants` are columns of `w` by name, each an expression over the JSON in the column `wants`: they
    are worked out once for each webhook, however much there is to tell. `facts` are columns of `v`,
    texts that are given with each thing.
    """

    wants: Mapping[str, str]
    facts: tuple[str, ...]
    hears: str

    @property
    def columns(self) -> str:
        """SQL: what a webhook wants."""
        return "".join(f", {told} AS {name}" for name, told in self.wants.items())


def texts_of(name: str) -> str:
    """SQL: the list of texts under a name of `wants` as an array; NULL where it is null."""
    listed = f"wants->'{name}'"
    return (
        f"CASE WHEN jsonb_typeof({listed}) = 'array' "
        f"THEN ARRAY(SELECT jsonb_array_elements_text({listed})) END"
    )
