"""What staff know of a case beside the customer's words."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is for the customer."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Fields:
    """What policies, queues, views and reports go by; empty: not known. `tier` is the customer's.

    `queue` follows from the others; `language` is that in which the customer wants to be answered.
    """

    severity: Severity = Severity.NORMAL
    category: str = ""
    product: str = ""
    order_id: str = ""
    tier: str = ""
    team: str = ""
    owner: str = ""
    channel: str = ""
    language: str = ""
    queue: str = ""
