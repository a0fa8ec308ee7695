"""Which events an operator means: of the quarantine, or of the log."""

from datetime import datetime

import msgspec

from rapport_ingest.domain.transform import Transform


class Selection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Rows of the quarantine for which all that is given holds; `since` <= received < `until`."""

    source: str | None = None
    code: str | None = None
    path: str | None = None
    message_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[int, ...] | None = None


class QuarantineReplay(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a job of kind `replay_quarantine` has to do; `rate` in events per second."""

    selection: Selection = Selection()
    transforms: tuple[Transform, ...] = ()
    rate: int | None = None


class LogSelection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Records of `events` for which all that is given holds; `since` <= log time < `until`."""

    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    message_ids: frozenset[str] | None = None
    user_id: str | None = None
    event: str | None = None


class TopicReplay(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a job of kind `replay_topic` has to do; a dry run only counts."""

    selection: LogSelection = LogSelection()
    rate: int | None = None
    dry_run: bool = False
