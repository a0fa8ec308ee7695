"""A database is lost, and its dump from before goes on with a log that knows more."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.support import ledger
from tests.support.stacks import config
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace, address, orders

from rapport_common import clock
from rapport_local.paths import Home
from rapport_local.ports import HOST, Ports
from rapport_local.postgres import client_environment, installed
from rapport_local.provision import DATABASE
from rapport_local.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def tool(stack: Stack, name: str, *arguments: str) -> None:
    """Run a program of Postgres as its administrator."""
    password = stack.credentials().passwords["postgres"]
    place = ["--host", HOST, "--port", str(stack.config.ports.postgres), "--username", "postgres"]
    done = subprocess.run(
        [str(installed() / "bin" / name), *place, *arguments],
        env={**client_environment(), "PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr


def mails(workspace: Workspace) -> Counter[str]:
    return Counter(str(one["To"]) for one in workspace.fresh_mails())


def bought(workspace: Workspace, user: str, number: int) -> bool:
    found = workspace.profile("user_id", user)
    return found is not None and found["computed"]["orders"] == number


def test_a_dump_is_gone_on_with_and_nobody_gets_a_mail_twice(run_folder: Path) -> None:
    home, ports, dump = Home.at(run_folder / "lost"), Ports.free(), run_folder / "rapport.dump"
    try:
        with Stack(config(home, ports)) as stack:
            workspace = Workspace.fresh(stack, "saved")
            campaign = workspace.campaign(workspace.segment("Buyers", orders(1)))
            workspace.order("ada", "1.00", messageId="before")
            until("ada's mail", lambda: workspace.counts(campaign)["sent"])
            tool(stack, "pg_dump", "--format=custom", f"--file={dump}", DATABASE)
            # What happens now, no backup has: but the log does.
            workspace.order("ben", "2.00", messageId="between")
            workspace.order("ada", "3.00", messageId="again")
            until("ben's mail", lambda: mails(workspace)[address("ben")])
            until("ada's second order", lambda: bought(workspace, "ada", 2))
            key = workspace.write_key
            workspace.__exit__()
        with Stack(config(home, ports, services=())) as bare:
            tool(bare, "dropdb", "--force", DATABASE)
            tool(bare, "createdb", DATABASE)
            tool(bare, "pg_restore", f"--dbname={DATABASE}", "--exit-on-error", str(dump))
        restored = {"RAPPORT_RESTORED_AT": clock.iso(clock.now())}
        with Stack(config(home, ports, campaign=restored)) as stack:
            _goes_on(stack, campaign, key)
    finally:
        home.remove()


def _goes_on(stack: Stack, campaign: str, key: str) -> None:
    with Workspace.known(stack, "saved", key) as workspace:
        # The log brings what the dump has not.
        until("ben", lambda: bought(workspace, "ben", 1))
        until("ada's second order", lambda: bought(workspace, "ada", 2))
        until("what became of ben", lambda: workspace.counts(campaign).get("uncertain"))
        # Life goes on: who buys first now gets the first mail.
        workspace.order("eve", "4.00", messageId="after")
        until("eve's mail", lambda: mails(workspace)[address("eve")])
        assert ledger.broken(stack) == []
        assert mails(workspace) == {address(one): 1 for one in ("ada", "ben", "eve")}
        # Of ben both may tell: the log, and segment, which has worked it out anew.
        states = workspace.counts(campaign)
        assert (states["sent"], states["uncertain"] in {1, 2}) == (2, True), states
