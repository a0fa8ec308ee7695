"""Why a message was held back, in as much as is needed to say it in a sentence later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What spoke against a message: the name of the rule, and its numbers and words in `more`.

    `next_at`: when it may go, or another like it may, as far as that is known.
    """

    rule: str = ""
    next_at: datetime | None = None
    more: Mapping[str, str | int] = field(default_factory=dict)
