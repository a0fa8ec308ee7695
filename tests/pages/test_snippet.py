"""The script that invites to a survey on other pages, in a real browser, under a strict policy."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support import node
from tests.support.waiting import HANG_SECONDS

pytestmark = [pytest.mark.e2e]
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "services/feedback/src/rapport_feedback/templates/survey.js"


def opened(**attributes: str) -> dict[str, Any]:
    """What is seen on a page that has the script with these attributes."""
    job = json.dumps({"script": SCRIPT.read_text(), "attributes": attributes})
    done = subprocess.run(
        [node.NODE, Path(__file__).parent / "snippet.mjs"],
        check=False,
        input=job,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=node.environment(node.packages()),
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_it_invites_once_and_keeps_no_cookie() -> None:
    seen = opened(text="How was your visit?")
    assert seen["errors"] == []
    assert set(seen["requests"]) <= {"/", "/w/survey.js", "/favicon.ico"}
    assert (seen["shown"], seen["text"], seen["label"]) == (1, *["How was your visit?"] * 2)
    assert (seen["opened"], seen["opener"]) == ("/s/token_1-A", True)
    assert (seen["again"], seen["cookies"], seen["escaped"]) == (0, 0, True)


def test_it_leads_to_nobody_else() -> None:
    """Whoever can change an attribute of the page can't send people elsewhere by it."""
    seen = opened(link="https://elsewhere.example/s/token")
    assert (seen["shown"], seen["errors"]) == (0, [])
