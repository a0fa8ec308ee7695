"""A rule is tried: whom would it hold, and nothing is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.db import sqlstate
from rapport_common.errors import UnavailableError
from rapport_segment import metrics
from rapport_segment.domain import explaining, funnel, rules
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import Rule, leaves
from rapport_segment.handlers.happenings import EventReading
from rapport_segment.handlers.list_use import named_lists, require_lists
from rapport_segment.handlers.nesting import require_known
from rapport_segment.handlers.rolls import with_lists
from rapport_segment.handlers.trait import require_sensible
from rapport_segment.store import people, previews
from rapport_segment.store.matching import TooManyTextsError
from rapport_segment.store.previews import Tallied

PREVIEW_SECONDS = 5.0
"""So long everybody is counted; then a sample is."""
SAMPLE_SECONDS = 1.0
QUERY_CANCELED = "57014"
TRANSACTION_ABORTED = "25P02"
"""After a time-out between two savepoints."""
REACHED = ("email", "sms", "push", "whatsapp", "wechat", "post", "phone")
"""The channels of which a preview says how many it would reach."""


class SlowPreviewError(UnavailableError):
    """A preview that would hold a connection for too long."""

    code = "preview_too_slow"

    def __init__(self) -> None:
        super().__init__(
            f"Counting took longer than {PREVIEW_SECONDS:g} s and was given up. Try a simpler rule,"
            " or create the segment as a draft (`active` false) and make it active: it is built"
            " beside other work."
        )


@dataclass(frozen=True, slots=True)
class Example:
    """Somebody whom a rule fits, and why."""

    profile_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """Whom a rule would hold. With `share` below 100 so many percent were counted, and `tallied`
    says what that makes of everybody.
    """

    tallied: Tallied
    examples: Sequence[Example]
    hints: Sequence[tuple[str, str]]
    share: float
    rule: Rule

    @property
    def is_estimate(self) -> bool:
        """Whether only a sample was looked at."""
        return self.share < _WHOLE


_WHOLE = 100.0


async def preview(
    tx: AsyncConnection, workspace: str, document: dict[str, Any], seconds: float | None = None
) -> Previewed:
    """Count whom an unsaved rule fits, exactly if that takes less than so long (5 s, if nothing is
    said), else by a sample.

    SlowPreviewError if that takes too long, too, or texts can't be compared.
    """
    rule = rules.parse(document)
    await require_sensible(tx, workspace, rule)
    await require_known(tx, workspace, rule)
    await require_lists(tx, workspace, rule)
    now = clock.now()
    with metrics.PREVIEW.time():
        await previews.read_only(tx, min(seconds or PREVIEW_SECONDS, PREVIEW_SECONDS))
        try:
            async with tx.begin_nested():
                near = await previews.examples(tx, workspace, rule, now=now)
                tallied = await previews.tally(
                    tx,
                    workspace,
                    rule,
                    now=now,
                    channels=REACHED,
                    with_examples=len(near) < previews.SHOWN,
                )
            share, shown = _WHOLE, tallied.examples or near
        except TooManyTextsError as error:
            raise SlowPreviewError from error
        except DBAPIError as error:
            if sqlstate(error) != QUERY_CANCELED:
                raise
            share, tallied = await _estimated(tx, workspace, rule, now)
            shown = tallied.examples
        examples = await _examples(tx, workspace, rule, shown, now)
    return Previewed(tallied, examples, _hints(rule, tallied), share, rule)


async def _estimated(
    tx: AsyncConnection, workspace: str, rule: Rule, now: datetime
) -> tuple[float, Tallied]:
    """By some of everybody: of how many percent, and what that makes of all."""
    try:
        await previews.read_only(tx, SAMPLE_SECONDS)
        async with tx.begin_nested():
            share = await previews.share_of_sample(tx)
            tallied = await previews.tally(
                tx,
                workspace,
                rule,
                now=now,
                channels=REACHED,
                with_examples=True,
                percent=share,
            )
    except DBAPIError as error:
        if sqlstate(error) in {QUERY_CANCELED, TRANSACTION_ABORTED}:
            raise SlowPreviewError from error
        raise
    return share, scaled(tallied, _WHOLE / share)


def scaled(one: Tallied, factor: float) -> Tallied:
    """What a sample makes of everybody, who are so many times more."""

    def whole(count: int) -> int:
        return round(count * factor)

    return replace(
        one,
        fitting=whole(one.fitting),
        everybody=whole(one.everybody),
        funnel=[
            replace(
                each,
                count=whole(each.count),
                left=None if each.left is None else whole(each.left),
            )
            for each in one.funnel
        ],
        reach={channel: whole(count) for channel, count in one.reach.items()},
        types={
            trait: {name: whole(count) for name, count in found.items()}
            for trait, found in one.types.items()
        },
    )


async def _examples(
    tx: AsyncConnection, workspace: str, rule: Rule, ids: Sequence[UUID], now: datetime
) -> list[Example]:
    named = [str(to) for _leaf, to in named_lists(rule)]
    listed = [await with_lists(tx, one, named) for one in await people.some(tx, workspace, ids)]
    tried = Definition.of(uuid4(), 1, "", rule)
    persons = await EventReading({workspace: Rulebook([tried])}, now).attached(tx, listed)
    entries = await people.open_entries(
        tx, {(workspace, str(one.profile_id)): one for one in persons}
    )
    members: dict[UUID, list[UUID]] = {}
    for entry in entries:
        members.setdefault(entry.profile_id, []).append(entry.segment_id)
    return [
        Example(
            one.profile_id,
            explaining.reason(rule, View(one.facts, now, members.get(one.profile_id, ()))),
        )
        for one in persons
    ]


def _hints(rule: Rule, tallied: Tallied) -> list[tuple[str, str]]:
    """(path, in words) of what may be odd."""
    return [
        (leaf.path or "rule", words)
        for leaf in leaves(rule)
        if isinstance(leaf.subject, Trait) and leaf.subject in tallied.types
        for words in funnel.odd(leaf, tallied.types[leaf.subject])
    ]
