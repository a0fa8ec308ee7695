"""A rule is tried: whom would it hold, and nothing is kept."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_segment import metrics
from rapport_segment.domain import explaining, funnel, rules
from rapport_segment.domain.funnel import Tallied
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.sampling import Interval, Trial
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import Rule, leaves
from rapport_segment.handlers import sampling
from rapport_segment.handlers.list_use import require_lists
from rapport_segment.handlers.nesting import require_known
from rapport_segment.handlers.trait import require_sensible
from rapport_segment.store import previews
from rapport_segment.store.limits import Limit, OutOfTimeError, Timer, limited
from rapport_segment.store.matching import TooManyTextsError
from rapport_segment.store.previews import PROMOTION

PREVIEW_SECONDS = 2.5
"""So long everybody is counted; then a sample is."""
SHOWING_SECONDS = 0.5
"""So long is looked for the reasons of those who are shown."""
REACHED = ("email", "sms", "push", "whatsapp", "wechat", "post", "phone")
"""The channels of which a preview says how many it would reach."""


@dataclass(frozen=True, slots=True)
class Example:
    """Somebody whom a rule fits, and why."""

    profile_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """Whom a rule would hold. `sampled` people were looked at; if that is not everybody, `tallied`
    says what they make of all, and `interval` in what the count lies with 95 %: None if it is not
    known how many there are.

    Nobody was looked at: nothing is known, and `tallied` is of nobody.
    """

    tallied: Tallied
    examples: Sequence[Example]
    hints: Sequence[tuple[str, str]]
    sampled: int
    everybody: int | None
    interval: Interval | None
    is_estimate: bool
    rule: Rule


async def preview(
    tx: AsyncConnection,
    workspace: str,
    document: dict[str, Any],
    seconds: float | None = None,
    *,
    chance: Random | None = None,
    timer: Timer = time.monotonic,
) -> Previewed:
    """Count whom an unsaved rule fits, exactly if that takes less than so long (2.5 s, if nothing
    is said, and at the most), else by a sample of people, whom `chance` draws.
    """
    rule = rules.parse(document)
    await require_sensible(tx, workspace, rule)
    await require_known(tx, workspace, rule)
    await require_lists(tx, workspace, rule)
    trial = Trial(Definition.of(uuid4(), 1, "", rule), REACHED, PROMOTION)
    now = clock.now()
    with metrics.PREVIEW.time():
        await previews.read_only(tx)
        try:
            given = min(seconds or PREVIEW_SECONDS, PREVIEW_SECONDS)
            async with limited(tx, given, timer) as limit:
                tallied = await _counted(tx, workspace, rule, now, limit)
        except (OutOfTimeError, TooManyTextsError):
            made = await sampling.estimated(tx, workspace, trial, now, chance=chance, timer=timer)
            return _estimated(rule, made)
        examples = await _examples(tx, workspace, trial, tallied.examples, now=now, timer=timer)
    return Previewed(
        tallied,
        examples,
        _hints(rule, tallied, estimated=False),
        tallied.everybody,
        tallied.everybody,
        None,
        is_estimate=False,
        rule=rule,
    )


async def _counted(
    tx: AsyncConnection, workspace: str, rule: Rule, now: datetime, limit: Limit
) -> Tallied:
    """Exactly, of everybody."""
    found = await previews.texts(tx, workspace, rule, limit)
    await limit.renew()
    near = await previews.examples(tx, workspace, rule, found, now=now)
    await limit.renew()
    missing = len(near) < funnel.SHOWN
    tallied = await previews.tally(
        tx, workspace, rule, found, now=now, channels=REACHED, with_examples=missing
    )
    return replace(tallied, examples=tallied.examples or near)


def _estimated(rule: Rule, made: sampling.Estimate) -> Previewed:
    is_estimate = not made.is_whole
    return Previewed(
        made.tallied,
        [_explained(rule, view) for view in made.shown],
        _hints(rule, made.tallied, estimated=is_estimate) if made.sampled else [],
        made.sampled,
        made.everybody,
        made.interval if is_estimate else None,
        is_estimate=is_estimate,
        rule=rule,
    )


async def _examples(
    tx: AsyncConnection,
    workspace: str,
    trial: Trial,
    ids: Sequence[UUID],
    *,
    now: datetime,
    timer: Timer,
) -> list[Example]:
    """Nobody, if to read what is known of them takes long: the count is what was asked."""
    try:
        async with limited(tx, SHOWING_SECONDS, timer):
            views = await sampling.views(tx, workspace, trial, ids, now)
    except OutOfTimeError:
        return []
    return [_explained(trial.definition.rule, view) for view in views]


def _explained(rule: Rule, view: View) -> Example:
    return Example(UUID(view.facts.profile_id), explaining.reason(rule, view))


def _hints(rule: Rule, tallied: Tallied, *, estimated: bool) -> list[tuple[str, str]]:
    """(path, in words) of what may be odd."""
    return [
        (leaf.path or "rule", words)
        for leaf in leaves(rule)
        if isinstance(leaf.subject, Trait) and leaf.subject in tallied.types
        for words in funnel.odd(leaf, tallied.types[leaf.subject], estimated=estimated)
    ]
