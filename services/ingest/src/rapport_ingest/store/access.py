"""What ingest tells of somebody who asks: what was refused of them, and what is shown of events."""

import json
from collections.abc import Iterable
from typing import Any

from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import (
    LONG_PAGE,
    Choose,
    Part,
    Rows,
    Told,
    covered,
    plain,
    speaking,
)
from rapport_common.privacy.aside import keyed
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_ingest.tables import SCHEMA

_ALL = "t.workspace = :workspace"
_WORKSPACE = frozenset({"workspace"})


def parts(recogniser: Recogniser) -> list[Part]:
    """All of it."""
    return [
        _quarantine(recogniser),
        _refused(recogniser),
        _examples(recogniser),
        _violations(recogniser),
        _imports(recogniser),
        *aside_parts(SCHEMA, recogniser),
    ]


def _quarantine(recogniser: Recogniser) -> Part:
    return Rows(
        "ingest.quarantine",
        "events about you that were refused, as they were sent",
        "ingest.quarantine t",
        {"id": "bigint"},
        plain("source", "message_id", "received_at", "type", "code", "path", "reason", "body"),
        _ALL,
        _WORKSPACE,
        choose=speaking(recogniser, "body", "reason", "message_id", "path"),
        size=LONG_PAGE,
    )


def _refused(recogniser: Recogniser) -> Part:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if bytes(row["key"]) in keyed(who) or recogniser.speaks_of(who, row["event"]):
            yield {"source": row["source"], "event": covered(recogniser, who, row["event"])}

    return Rows(
        "ingest.spool_refused",
        "events about you that were accepted and could not be sent on",
        "ingest.spool_refused t",
        {"id": "bigint"},
        {"source": "t.source", "key": "t.key", "event": "t.value"},
        _ALL,
        _WORKSPACE,
        choose=choose,
    )


def _examples(recogniser: Recogniser) -> Part:
    return Rows(
        "ingest.catalogue",
        "events about you that are shown as examples of their kind",
        "ingest.catalogue t",
        dict.fromkeys(("source", "type", "name"), "text"),
        {**plain("source", "type", "name"), "example": "CAST(t.example AS text)"},
        f"{_ALL} AND t.example IS NOT NULL",
        _WORKSPACE,
        choose=speaking(recogniser, "example"),
    )


def _violations(recogniser: Recogniser) -> Part:
    return Rows(
        "ingest.violation",
        "events about you that were not as planned",
        "ingest.violation t",
        dict.fromkeys(("source", "type", "name", "version", "path", "rule"), "text"),
        plain("source", "type", "name", "path", "rule", "message", "message_id", "last_at"),
        _ALL,
        _WORKSPACE,
        choose=speaking(recogniser, "message", "message_id"),
    )


def _imports(recogniser: Recogniser) -> Part:
    return Rows(
        "ingest.job",
        "rows about you of files that were imported, as shown or refused",
        "ingest.job t",
        {"id": "text"},
        {"report": "CAST(t.report AS text)", **plain("error", "created_at")},
        _ALL,
        _WORKSPACE,
        choose=_rows(recogniser),
        size=LONG_PAGE,
    )


def _rows(recogniser: Recogniser) -> Choose:
    """Of what a job has shown only the rows that speak of the person."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        report: dict[str, Any] = json.loads(row["report"] or "{}")
        shown = [one for name in ("preview", "errors") for one in report.get(name) or ()]
        texts = [json.dumps(one, ensure_ascii=False) for one in shown]
        for one in (*texts, row["error"]):
            if recogniser.speaks_of(who, one):
                yield {"at": row["created_at"], "row": covered(recogniser, who, one)}

    return choose
