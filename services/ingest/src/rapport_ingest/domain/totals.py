"""The last line of a till's file says what must be in it: `TOTAL`, lines, sum of the lines."""

from decimal import Decimal
from typing import Any

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Place, Row
from rapport_ingest.domain.casting import Decimals, exact

FACTORS = ("quantity", "unit_price")
CENT = Decimal("0.01")


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How far a file has been added up: where to go on, and what there was until then.

    `amount` is None when a line had none; `behind` counts the lines behind the trailer.
    """

    place: Place = Place()
    lines: int = 0
    amount: Decimal | None = Decimal(0)
    trailer: list[str] | None = None
    behind: int = 0


class Totals:
    """Adds up the lines of a file, from a tally on."""

    def __init__(self, decimals: Decimals, begun: Tally) -> None:
        self._decimals = decimals
        self._lines = begun.lines
        self._amount = begun.amount

    def tally(self, place: Place, trailer: list[str] | None, behind: int) -> Tally:
        """What there is until a place."""
        return Tally(
            place=place, lines=self._lines, amount=self._amount, trailer=trailer, behind=behind
        )

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
