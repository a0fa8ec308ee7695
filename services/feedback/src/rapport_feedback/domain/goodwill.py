"""What is given to customers beside an answer, and how much of it somebody may give."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

GoodwillKind = Literal["coupon", "points", "refund"]


@dataclass(frozen=True, slots=True)
class Goodwill:
    """One gift, a fact. `amount` is what the customer has of it: money, or points; `cost` is what
    it costs us, in `currency`; `code` is the coupon's.
    """

    goodwill_id: UUID
    case_id: UUID
    kind: GoodwillKind
    amount: Decimal
    currency: str
    cost: Decimal
    code: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """So much may be given: at a case by all, and in 30 days by who gives it. None: any cost."""

    name: str
    per_case: Decimal | None
    per_month: Decimal | None


def limit_of(limits: Mapping[str, Mapping[str, Any]], actor: str, currency: str) -> Limit | None:
    """The limit of somebody for a currency: the one that names them, else the one for all (`*`).

    `limits` are documents by name: whom it is for, the currency, the amounts.
    """
    fitting = {
        who: (name, document)
        for name, document in limits.items()
        if document["currency"] == currency
        for who in document["actors"]
    }
    found = fitting.get(actor) or fitting.get("*")
    if found is None:
        return None
    name, document = found
    amounts = (document.get("per_case"), document.get("per_month"))
    return Limit(name, *(None if one is None else Decimal(one) for one in amounts))


def beyond(limit: Limit | None, cost: Decimal, of_case: Decimal, of_month: Decimal) -> str:
    """Why somebody may not give so much more; empty: they may.

    `of_case`: what the case has cost by now; `of_month`: what they have given in 30 days.
    """
    if limit is None:
        return ""
    for most, given, what in (
        (limit.per_case, of_case, "at one case"),
        (limit.per_month, of_month, "in 30 days"),
    ):
        if most is not None and given + cost > most:
            left = max(most - given, Decimal(0))
            return f"{limit.name}: {most} {what} at most, of which {left} are left."
    return ""
