"""`rapport timeline-rules` against an API that answers as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

CLASSES = [{"types": ["page"], "days": 90}]
KNOWN = {"classes": CLASSES, "version": 3, "actor": "a", "reason": "b", "created_at": "2026-01-01"}


def test_rules_from_a_file_follow_those_that_hold_or_those_it_comes_from(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/timeline-rules"] = (200, KNOWN)
    server.answers["PUT /v1/timeline-rules"] = (200, {**KNOWN, "version": 4})
    file = tmp_path / "rules.json"
    for given, version in (({"classes": CLASSES}, 3), ({**KNOWN, "version": 2}, 2)):
        file.write_text(json.dumps(given))
        done = rapport("timeline-rules", "set", str(file), "--reason", "clicks")
        assert done.stdout == "Version 4 holds.\n"
        sent = {"classes": CLASSES, "version": version, "reason": "clicks"}
        assert server.calls[-1][2] == sent


def test_what_are_no_rules_is_not_sent(server: Answers, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    for wrong in ({}, {"classes": [], "class": 1}):
        file.write_text(json.dumps(wrong))
        done = rapport("timeline-rules", "set", str(file), "--reason", "clicks")
        assert (done.returncode, server.calls) == (1, [])
        assert "Rules have `classes`" in done.stderr
