"""What is no e-mail, from a rendered message to what the ledger keeps of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain import returning
from rapport_campaign.domain.accounts import ProviderAccount
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.devices import taker_of
from rapport_campaign.domain.inbox import InboxItem
from rapport_campaign.domain.parcels import Channel, Notification, Parcel
from rapport_campaign.domain.saying import content_of, lacking
from rapport_campaign.domain.tasks import MAX_QUEUE, PHONE, TASKS, Task, lifetime, task_channel
from rapport_campaign.handlers import inbox, tasks
from rapport_campaign.handlers.carrying import Admission, Carried
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.render.compose import Job
from rapport_campaign.render.saying import Spoken
from rapport_common import clock

Ready = tuple[Job, Parcel]
Going = tuple[Job, ProviderAccount, Parcel]
Group = tuple[str, Channel, str | None]
"""Those that the same accounts may take: workspace, channel, and the vendor, if only one can."""


def ready(
    said: Sequence[tuple[Job, Spoken]], results: list[Result], key: bytes = b""
) -> Mapping[Group, list[Ready]]:
    """The parcels by who may take them; what says nothing to its person is a result already.

    `key` signs the tokens by which they are reported on; without one there are none.
    """
    found: defaultdict[Group, list[Ready]] = defaultdict(list)
    for job, one in said:
        channel = cast("Channel", job.claimed.channel)
        missing = lacking(channel, one.parts)
        if missing is not None:
            reason = f"template: {missing} is empty for this person"
            results.append(Result(job, Outcome("failed", reason), clock.now()))
            continue
        content = content_of(channel, one.parts, one.parameters)
        claimed = job.claimed
        token = returning.signed(key, *claimed.key) if key else ""
        parcel = Parcel(claimed.send_key, job.address, content, token)
        takers = job.claimed.workspace, channel, taker_of(channel, job.address)
        found[takers].append((job, parcel))
    return found


def assigned(some: Sequence[Ready], admission: Admission, results: list[Result]) -> list[Going]:
    """Who takes which; those for whom there is nobody now go back, and wait as long as is said."""
    takers = [account for account, count in admission.granted for _ in range(count)]
    if admission.is_for_ever:
        waits = Outcome("failed", admission.reason)
    else:
        waits = Outcome("released", admission.reason or "the account's pace", wait=admission.wait)
    results += [Result(job, waits, clock.now()) for job, _ in some[len(takers) :]]
    return [(job, taker, parcel) for (job, parcel), taker in zip(some, takers, strict=False)]


def item(workspace: str, ready: Ready) -> InboxItem:
    """What an app shows of a message; its id is that of the message, so that there is one."""
    _, parcel = ready
    told = parcel.content
    if not isinstance(told, Notification):
        message = f"an inbox takes a Notification, not a {type(told).__name__}"
        raise TypeError(message)
    item_id = str(UUID(hex=parcel.message_id[:32]))
    now = clock.now()
    return InboxItem(
        workspace, item_id, parcel.address, told.title, told.body, now, told.url, told.data
    )


async def keep(tx: AsyncConnection, group: Group, some: Sequence[Ready]) -> None:
    """Put what no provider carries where it is read: into inboxes, or before staff."""
    workspace, channel, _ = group
    if channel in TASKS:
        await tasks.put_all(tx, [task(workspace, channel, one) for one in some])
    else:
        await inbox.put_all(tx, [item(workspace, one) for one in some])


def task(workspace: str, channel: str, ready: Ready) -> Task:
    """What staff are asked to do by a message; its id is that of the message."""
    job, parcel = ready
    told = parcel.content
    if not isinstance(told, Notification):
        message = f"a task takes a Notification, not a {type(told).__name__}"
        raise TypeError(message)
    claimed, now = job.claimed, clock.now()
    return Task(
        workspace=workspace,
        task_id=UUID(hex=parcel.message_id[:32]),
        send_key=parcel.message_id,
        channel=task_channel(channel),
        purpose="service" if claimed.purpose == "survey" else claimed.purpose,
        profile_id=claimed.profile_id,
        campaign_id=claimed.campaign_id,
        point=parcel.address if channel == PHONE else "",
        queue=told.data.get("queue", "").strip()[:MAX_QUEUE],
        title=told.title,
        script=told.body,
        url=told.url,
        created_at=now,
        due_at=now,
        expires_at=now + lifetime(told.data.get("expires_hours", "")),
    )


def results_of(jobs: Sequence[Job], carried: Sequence[Carried]) -> list[Result]:
    """What became of each, as the ledger keeps it."""
    return [Result(job, one.outcome, one.at) for job, one in zip(jobs, carried, strict=True)]
