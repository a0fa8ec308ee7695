"""`rapport quality` against an API that answers as told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

NAME = {"field": "name", "filled": 0.5, "valid": 1.0, "fresh": 1.0, "recent": 1.0}
FOUND = {
    "measured_at": "2026-01-01T00:00:00Z",
    "people": 7,
    "sources": [
        {"source": "till", "people": 3, "in_pairs": 1, "fields": [NAME]},
        {"source": "web", "people": 2, "in_pairs": 0, "fields": []},
    ],
}


def test_what_was_measured_is_a_row_for_each_field(server: Answers, rapport: Rapport) -> None:
    server.answers["POST /v1/quality/measure"] = (202, {"id": "j", "state": "queued"})
    server.answers["GET /v1/jobs/j"] = (200, {"id": "j", "state": "done", "done": 7, "total": 7})
    server.answers["GET /v1/quality"] = (200, FOUND)
    for command in ("measure", "show"):
        told = rapport("quality", command).stdout
        assert all(one in told for one in ("till", "0.5", "web", "none that is known"))
