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
class _Spent:
    turns: int = 0
    steps: int = 0
    work: int = 0


_spent: ContextVar[_Spent] = ContextVar("spent")


def begin() -> Token[_Spent]:
    """Start a new account; `end` closes it."""
    return _spent.set(_Spent())


def end(account: Token[_Spent]) -> None:
    """Close an account."""
    _spent.reset(account)


def step(number: int = 1) -> None:
    """So many tags, outputs or expressions; ResourceLimitError beyond the budget."""
    account = _spent.get(None)
    if account is not None:
        account.steps += number
        if account.steps > MAX_STEPS:
            raise ResourceLimitError("the template does too much work", token=None)


def turns(number: int) -> None:
    """A loop of so many turns begins; ResourceLimitError when all of them are too many."""
    account = _spent.get(None)
    if account is not None:
        account.turns += number
        if account.turns > MAX_TURNS:
            message = f"its loops take more than {MAX_TURNS} turns together"
            raise ResourceLimitError(message, token=None)


def work(size: int, factor: int = 1) -> None:
    """So many characters or items are gone through; ResourceLimitError beyond the budget."""
    account = _spent.get(None)
    if account is not None:
        account.work += size * factor
        if account.work > MAX_WORK:
            raise ResourceLimitError("the template does too much work", token=None)
    if size > MAX_VALUE:
        raise ResourceLimitError(f"a value is larger than {MAX_VALUE}", token=None)
