"""The last line of a till's file says what must be in it: `TOTAL`, lines, sum of the lines."""

from decimal import Decimal
from typing import Any

from rapport_common.errors import InvalidRequestError
from rapport_ingest.domain.casting import Decimals, exact
from rapport_ingest.domain.rows import Row

FACTORS = ("quantity", "unit_price")
CENT = Decimal("0.01")


class Totals:
    """Adds up the lines of a file."""

    def __init__(self, decimals: Decimals) -> None:
        self._decimals = decimals
        self._lines = 0
        self._amount: Decimal | None = Decimal(0)

    def add(self, row: Row) -> None:
        """Count a line; one that can't be read has no amount, and then there is no sum."""
        self._lines += 1
        if row.values is None or self._amount is None:
            self._amount = None
            return
        try:
            quantity, price = (exact(row.values.get(one), self._decimals) for one in FACTORS)
        except ValueError:
            self._amount = None
        else:
            self._amount += quantity * price

    def compared(self, trailer: list[str] | None, behind: int, *, needed: bool) -> dict[str, Any]:
        """What was found; InvalidRequestError when the trailer says something else.

        Without a trailer there is nothing to compare, which is an error where one is `needed`.
        """
        found = {
            "lines": self._lines,
            "amount": None if self._amount is None else str(self._amount),
        }
        if trailer is None:
            if needed:
                raise _mismatch("it has no trailer: it may have been cut off", found)
            return {**found, "trailer": False}
        if behind:
            raise _mismatch(f"{behind} lines stand behind the trailer", found)
        stated = [cell.strip() for cell in trailer[1:3]]
        if not stated or stated[0] != str(self._lines):
            lines = stated[0] if stated else "nothing"
            raise _mismatch(f"the trailer says {lines} lines, {self._lines} are there", found)
        if len(stated) > 1 and stated[1]:
            self._compare_amount(stated[1], found)
        return {**found, "trailer": True}

    def _compare_amount(self, stated: str, found: dict[str, Any]) -> None:
        try:
            amount = exact(stated, self._decimals)
        except ValueError as error:
            raise _mismatch(f"the trailer's amount: {error}", found) from error
        if self._amount is None:
            raise _mismatch("a line has no quantity and price that can be read", found)
        if abs(amount - self._amount) >= CENT:
            raise _mismatch(f"the trailer says {amount}, the lines add up to {self._amount}", found)


def _mismatch(reason: str, found: dict[str, Any]) -> InvalidRequestError:
    message = f"Nothing was imported: {reason}."
    return InvalidRequestError(message, code="trailer_mismatch", details=found)
