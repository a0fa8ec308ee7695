"""Folds of several events, and of several folds."""

from collections.abc import Iterable

from rapport_common.events.envelope import Event
from rapport_profile.domain.bounds import Spilled
from rapport_profile.domain.fold import CONSENT, TRAIT, Fold
from rapport_profile.domain.judge import AS_SAID, Judge
from rapport_profile.domain.telling import telling

_TRIM_EVERY = 256


def merge(folds: Iterable[Fold]) -> Fold:
    """One fold of several that have no event in common."""
    result = Fold()
    for one in folds:
        result.join(one)
        result.trim()
    return result


def copied(fold: Fold) -> Fold:
    """The same, to be changed by itself."""
    copy = Fold()
    copy.join(fold)
    return copy


def fold_all(events: Iterable[Event], judge: Judge = AS_SAID) -> Fold:
    """The fold of distinct events."""
    return fold_and_spill(events, judge)[0]


def fold_and_spill(events: Iterable[Event], judge: Judge = AS_SAID) -> tuple[Fold, list[Spilled]]:
    """The fold of distinct events, and what gave way in it."""
    result = Fold()
    spilled: list[Spilled] = []
    for number, one in enumerate(events, 1):
        result.take(telling(one, judge))
        if number % _TRIM_EVERY == 0:
            spilled += result.trim()
    return result, spilled + result.trim()


def names_told(event: Event) -> list[tuple[str, str]]:
    """(kind, name) of what an event may have put beside a fold, see `Spilled`."""
    told = telling(event)
    consents = [] if told.consent is None else [(CONSENT, told.consent[0])]
    return [(TRAIT, name) for name in told.traits] + consents
