"""What the platform answers when all is done, collected for the checks and the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from rapport_local.config import Config
from rapport_local.credentials import Credentials
from rapport_local.demo.comeback import Comeback
from rapport_local.demo.mailbox import Mail, Mailbox
from rapport_local.demo.platform import Platform
from rapport_local.demo.scene import Scene
from rapport_local.demo.shopper import USER_ID
from rapport_local.errors import LocalError

VERIFY = ("ledger", "verify", "--json", "--wait", "30")


@dataclass(frozen=True)
class Outcome:
    """Answers of the services, as JSON, and the demo's mails.

    `library`: segments that were adopted, by their ids in the library; `inside` and `outside`: how
    the customer who came back stood towards one of them, before time passed and after.
    """

    stats: dict[str, Any]
    segments: dict[str, dict[str, Any]]
    library: dict[str, dict[str, Any]]
    inside: dict[str, Any]
    outside: dict[str, Any]
    thanks: dict[str, Any]
    reminder: dict[str, Any]
    suppressed: list[dict[str, Any]]
    shopper: dict[str, Any]
    timeline: list[dict[str, Any]]
    score: dict[str, Any]
    cases: list[dict[str, Any]]
    ledger: dict[str, Any]
    mails: list[Mail]


def collect(platform: Platform, scene: Scene, mailbox: Mailbox, back: Comeback) -> Outcome:
    """Ask every service."""
    ids = (scene.best, scene.returning, scene.cart_left)
    found = {one: platform.get("segment", f"/v1/segments/{one}") for one in ids}
    adopted = {
        name: platform.get("segment", f"/v1/segments/{one}") for name, one in back.segments.items()
    }
    shopper = platform.get("profile", "/v1/profiles", kind="user_id", value=USER_ID)
    timeline = f"/v1/profiles/{shopper['id']}/timeline"
    reminders = f"/v1/campaigns/{scene.reminder}"
    return Outcome(
        stats=platform.get("profile", "/v1/stats"),
        segments=found,
        library=adopted,
        inside=back.inside,
        outside=back.outside,
        thanks=platform.get("campaign", f"/v1/campaigns/{scene.thanks}"),
        reminder=platform.get("campaign", reminders),
        suppressed=platform.get("campaign", f"{reminders}/messages", state="suppressed")["items"],
        shopper=shopper,
        timeline=platform.get("profile", timeline, limit=100)["items"],
        score=platform.get("feedback", f"/v1/surveys/{scene.survey}/score"),
        cases=platform.get("feedback", "/v1/cases")["items"],
        ledger=verify_ledger(platform.config),
        mails=mailbox.mails(),
    )


def verify_ledger(config: Config) -> dict[str, Any]:
    """Run `rapport ledger verify` as a user would; raises `ledger_unreadable`."""
    done = subprocess.run(
        [sys.executable, "-m", "rapport_cli", *VERIFY],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **_settings(config)},
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise LocalError(
            code="ledger_unreadable",
            message=f"`rapport ledger verify` failed: {done.stderr.strip()[-300:]}",
        ) from error
    return answer


def _settings(config: Config) -> dict[str, str]:
    return {
        "RAPPORT_HOME": str(config.home.root),
        "RAPPORT_PORT_BASE": str(config.ports.base),
        "RAPPORT_SECRET": Credentials.load(config.home.credentials).secret,
    }
