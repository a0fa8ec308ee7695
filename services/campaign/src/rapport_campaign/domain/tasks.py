"""Messages that staff deliver: a call, or a word in a store."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

TaskChannel = Literal["phone", "store"]
TASKS: frozenset[str] = frozenset(get_args(TaskChannel))
PHONE, STORE = "phone", "store"
STORE_WORD = "x_store"
"""The channel under which words on being spoken to in a store are kept: one of our own naming."""

TaskOutcome = Literal["reached", "not_reached", "call_again", "refused"]
TaskState = Literal["open", "done", "withdrawn"]

MAX_QUEUE = 100
USUAL_HOURS, MOST_HOURS = 7 * 24, 90 * 24


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody is to be told, until `expires_at`; `queue` says whose staff do so.

    Whoever has taken it (`holder`) has it until `lease_until`. `withdrawn`: nobody may be told any
    more when it was taken; `note` says why.
    """

    workspace: str
    task_id: UUID
    send_key: str
    channel: TaskChannel
    purpose: Literal["promotion", "service"]
    profile_id: str
    campaign_id: str | None
    point: str
    queue: str
    title: str
    script: str
    url: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    state: TaskState = "open"
    attempts: int = 0
    holder: str | None = None
    lease_until: datetime | None = None
    outcome: TaskOutcome | None = None
    note: str = ""
    ended_at: datetime | None = None
    ended_by: str | None = None

    def is_held_by_others(self, who: str, now: datetime) -> bool:
        """Whether somebody else has it in hand."""
        has_lease = self.lease_until is not None and self.lease_until > now
        return has_lease and self.holder != who


def task_channel(channel: str) -> TaskChannel:
    """The channel of a task; ValueError for one that providers carry."""
    if channel == PHONE:
        return "phone"
    if channel == STORE:
        return "store"
    message = f"{channel} is no channel of tasks"
    raise ValueError(message)


def lifetime(hours: str) -> timedelta:
    """How long a task is to be done, of what its message says; a week where that says nothing."""
    wanted = int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 6 else 0  # noqa: PLR2004 - digits of ten years in hours
    return timedelta(hours=min(wanted, MOST_HOURS) if wanted else USUAL_HOURS)
