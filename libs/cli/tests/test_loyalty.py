"""`rapport loyalty` against an API that answers as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

PROGRAMME = {"name": "Club", "rules": [{"id": "spend", "per": {"CNY": "1"}}]}
KNOWN = {"programme": PROGRAMME, "version": 3, "begins_at": None, "actor": "a", "reason": "b"}


def test_a_programme_follows_the_one_that_holds_or_the_one_it_comes_from(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/loyalty/programme"] = (200, KNOWN)
    server.answers["PUT /v1/loyalty/programme"] = (200, {**KNOWN, "version": 4})
    file = tmp_path / "club.json"
    for given, version in ((PROGRAMME, 3), ({**KNOWN, "version": 2}, 2)):
        file.write_text(json.dumps(given))
        done = rapport("loyalty", "programme", "set", str(file), "--reason", "spring")
        assert done.stdout == "Version 4 holds.\n"
        assert server.calls[-1][2] == {
            "programme": PROGRAMME,
            "version": version,
            "reason": "spring",
        }


def test_points_are_reserved_spent_taken(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": "p"})
    made = {"id": "r", "state": "reserved", "points": 80}
    server.answers["POST /v1/profiles/p/loyalty/redemptions"] = (201, made)
    server.answers["POST /v1/loyalty/redemptions/r/confirm"] = (200, made)
    server.answers["POST /v1/profiles/p/loyalty/adjustments"] = (201, {"id": "x"})
    done = rapport(
        *("loyalty", "redemption", "create", "user_id", "u", "80", "--reason", "tea", "--id")
    )
    assert done.stdout == "r\n"
    assert server.calls[-1][2] == {"points": 80, "seconds": 600, "reason": "tea"}
    assert rapport("loyalty", "redemption", "confirm", "r").stdout == "Spent.\n"
    taken = rapport("loyalty", "adjust", "user_id", "u", "-5", "--reason", "mistake")
    assert taken.stdout == "-5 points.\n"
    assert server.calls[-1][2] == {"points": -5, "reason": "mistake"}
