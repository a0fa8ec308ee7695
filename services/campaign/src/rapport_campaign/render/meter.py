"""One budget for everything that rendering one template does."""

from contextvars import ContextVar, Token
from dataclasses import dataclass

from liquid.exceptions import ResourceLimitError

MAX_TURNS = 10_000
"""Turns of all loops together."""

MAX_STEPS = 200_000
"""Tags, outputs and expressions that are looked at."""

MAX_WORK = 8 * 1024 * 1024
"""Characters and items that filters, captures and comparisons go through."""

MAX_VALUE = 256 * 1024
"""Characters or items of one value."""


@dataclass(slots=True)
class Spent:
    """What one rendering has used."""

    turns: int = 0
    steps: int = 0
    work: int = 0


_spent: ContextVar[Spent] = ContextVar("spent")


def begin() -> Token[Spent]:
    """Start a new account; `end` closes it."""
    return _spent.set(Spent())


def account() -> Spent:
    """The account that is open, for who counts without asking each time; `look` at it now and then.

    What is only counted can't go down again: who looks later refuses the same.
    """
    return _spent.get()


def look(spent: Spent) -> None:
    """ResourceLimitError when an account is beyond its budget."""
    if spent.steps > MAX_STEPS or spent.work > MAX_WORK:
        raise ResourceLimitError("the template does too much work", token=None)


def end(opened: Token[Spent]) -> None:
    """Close an account."""
    _spent.reset(opened)


def step(number: int = 1) -> None:
    """So many tags, outputs or expressions; ResourceLimitError beyond the budget."""
    spent = _spent.get(None)
    if spent is not None:
        spent.steps += number
        if spent.steps > MAX_STEPS:
            raise ResourceLimitError("the template does too much work", token=None)


def turns(number: int) -> None:
    """A loop of so many turns begins; ResourceLimitError when all of them are too many."""
    spent = _spent.get(None)
    if spent is not None:
        spent.turns += number
        if spent.turns > MAX_TURNS:
            message = f"its loops take more than {MAX_TURNS} turns together"
            raise ResourceLimitError(message, token=None)


def work(size: int, factor: int = 1) -> None:
    """So many characters or items are gone through; ResourceLimitError beyond the budget."""
    spent = _spent.get(None)
    if spent is not None:
        spent.work += size * factor
        if spent.work > MAX_WORK:
            raise ResourceLimitError("the template does too much work", token=None)
    if size > MAX_VALUE:
        raise ResourceLimitError(f"a value is larger than {MAX_VALUE}", token=None)
