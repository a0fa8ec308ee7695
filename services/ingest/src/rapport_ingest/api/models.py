"""What the operator API answers. Times are UTC; `source` is the id of a source."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field


class NamedRow(BaseModel):
    """The row that something was done with."""

    id: int


class RefusedEvent(BaseModel):
    """An accepted event that Kafka will not take, with what it said; `size` in bytes."""

    id: int
    source: str
    message_id: str
    size: int
    reason: str
    created_at: datetime
    refused_at: datetime


class EndOffsets(BaseModel):
    """How many records were ever written to a topic, over all partitions."""

    end_offsets_total: int


class Counts(BaseModel):
    """How many events were answered; `accepted` includes `spooled`."""

    received: int
    accepted: int
    spooled: int
    rejected: int


class Ledger(Counts):
    """Received = accepted + rejected; what of it is in the spool, topic and quarantine."""

    quarantined: int
    spooled_now: int
    spool_refused: int
    spool_discarded: int = Field(description="of the refused ones, those an operator gave up")
    topic: EndOffsets


class DayCounts(BaseModel):
    """The counts of one day (UTC)."""

    day: date
    received: int
    accepted: int
    rejected: int


class SourceCounts(Counts):
    """The counts of a source since it was made, and by day, oldest first."""

    source: str
    days: list[DayCounts]


class SourceWarning(BaseModel):
    """Something odd about accepted events of a source."""

    code: str
    events: int
    first_at: datetime
    last_at: datetime
    message: str


class Source(BaseModel):
    """A source with its rules, defaults written out, its counts and its warnings."""

    id: str
    name: str
    kind: str
    trust: str
    created_at: datetime
    revision: int
    policy: dict[str, Any]
    events: Counts
    warnings: list[SourceWarning]


class MadeSource(BaseModel):
    """A new source; its write key is never shown again."""

    id: str
    name: str
    kind: str
    trust: str
    means: str
    write_key: str


class Key(BaseModel):
    """A write key, as far as it is shown: it begins with `rk_` and its id."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


class MadeKey(BaseModel):
    """A new write key; it is never shown again."""

    id: str
    source: str
    write_key: str


class EventPlace(BaseModel):
    """Where an event is; `partition` and `offset` of those in the log."""

    message_id: str
    source: str
    status: str = Field(description="accepted, spooled or rejected")
    code: str | None
    message: str | None
    path: str | None
    partition: int | None
    offset: int | None
    received_at: datetime


class QuarantinedEvent(BaseModel):
    """An event that was not accepted; `handled_by` is the job or the person that had it last."""

    id: int
    message_id: str
    source: str
    received_at: datetime
    sent_at: datetime | None
    type: str | None
    dialect: str
    code: str
    path: str
    message: str
    body: str
    truncated: bool
    attempts: int
    resolved_at: datetime | None
    resolution: str | None
    handled_by: str | None


class GroupExample(BaseModel):
    """The newest row of a group."""

    id: int
    message_id: str
    message: str


class QuarantineGroup(BaseModel):
    """Rows that were refused for the same reason."""

    source: str
    code: str
    path: str
    rows: int
    first_at: datetime
    last_at: datetime
    example: GroupExample


class QuarantineBalance(BaseModel):
    """What became of all that a source was refused: rejected <= kept, equal without crashes."""

    source: str
    rejected: int
    open: int
    replayed: int
    discarded: int
    expired: int
    kept: int


class Discarded(BaseModel):
    """How many rows were resolved as not wanted; `more` tells to call again."""

    discarded: int
    more: bool


class StartedJob(BaseModel):
    """A job that has just been made, see /v1/jobs/{job_id}."""

    id: str
    kind: str
    state: str


class DryRun(BaseModel):
    """What a repair would do to the first rows of a selection."""

    dry_run: bool
    matched: int
    judged: int
    would_pass: int
    still_rejected: dict[str, int]
    skipped: dict[str, int]
    failures: list[dict[str, Any]]
    examples: list[dict[str, Any]]


class UploadedPart(BaseModel):
    """How many bytes of an import's file are there."""

    id: str
    offset: int


class CataloguedEvent(BaseModel):
    """An event that came; `pii` are the kinds of personal data that it seems to have."""

    source: str
    type: str
    name: str
    events: int
    first_seen_at: datetime
    last_seen_at: datetime
    pii: list[str]


class EventShape(CataloguedEvent):
    """An event with its shape as learnt, and an example with personal data masked."""

    samples: int
    shape: list[dict[str, Any]]
    example: dict[str, Any] | None


class Violation(BaseModel):
    """What events broke of their plan, by field and rule, and the last one that did."""

    source: str
    type: str
    name: str
    version: str
    path: str
    rule: str
    events: int
    first_at: datetime
    last_at: datetime
    message: str
    message_id: str


class PlanKey(BaseModel):
    """An event of a plan."""

    type: str
    name: str
    version: str


class PlanChanges(BaseModel):
    """What another plan changes."""

    added: list[PlanKey]
    changed: list[PlanKey]
    removed: list[PlanKey]


class Break(BaseModel):
    """A rule that an event breaks, and where."""

    path: str
    rule: str
    message: str


class TestedEvent(BaseModel):
    """What the example of an event of the catalogue breaks of a plan."""

    __test__ = False

    type: str
    name: str
    events: int
    planned: bool
    violations: list[Break]


class PlanCheck(PlanChanges):
    """What a plan would change, and which known events break it or are not in it."""

    tested: int
    broken: list[TestedEvent]
    unplanned: list[TestedEvent]
