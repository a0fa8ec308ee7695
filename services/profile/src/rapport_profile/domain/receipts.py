"""What says that somebody was forgotten: claims that are signed, and that anybody can check."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

ISSUER = "rapport"


class Answer(msgspec.Struct, frozen=True):
    """A service's receipt: since when it holds nothing, and the rows it removed, by table."""

    service: str
    at: datetime
    rows: int
    tables: Mapping[str, int]


def added(answers: Sequence[Answer]) -> Answer:
    """What a service has answered of a person in portions: it is clean when all are."""
    tables = Counter[str]()
    for one in answers:
        tables.update(one.tables)
    last = max(one.at for one in answers)
    return Answer(answers[0].service, last, sum(one.rows for one in answers), dict(tables))


def last_copy_expires(answers: Mapping[str, Answer], kept: timedelta) -> datetime:
    """When the last record about the person leaves Kafka, which keeps each for `kept`.

    What a service had still to send was sent before it answered.
    """
    return max(one.at for one in answers.values()) + kept


class Wish(msgspec.Struct, frozen=True):
    """What was asked for: to forget what was received before `at`."""

    request: str
    workspace: str
    at: datetime
    identifiers: int


def claims(wish: Wish, answers: Mapping[str, Answer], kept: timedelta) -> dict[str, Any]:
    """The claims of a final receipt (RFC 7519); it names nobody."""
    done = max(one.at for one in answers.values())
    return {
        "iss": ISSUER,
        "sub": wish.request,
        "iat": int(done.timestamp()),
        "workspace": wish.workspace,
        "identifiers": wish.identifiers,
        "received_before": _shown(wish.at),
        "stores_clean_at": _shown(done),
        "last_copy_expires_at": _shown(last_copy_expires(answers, kept)),
        "services": {
            one.service: {"at": _shown(one.at), "rows": one.rows, "tables": dict(one.tables)}
            for one in sorted(answers.values(), key=lambda one: one.service)
        },
    }


def _shown(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
