"""What an earlier version holds in its rows, topics and outbox is gone on with."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.past import history
from tests.past.keeping import Past, restored
from tests.past.moving import moved
from tests.support import ledger
from tests.support.stacks import config
from tests.support.waiting import HANG_SECONDS, look_until, until
from tests.support.workspace import Workspace, address

from rapport_common import clock
from rapport_common.migrations import upgrade
from rapport_local.paths import Home, repository
from rapport_local.ports import SERVICES, Ports
from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e

PASTS = sorted((Path(__file__).parent.parent / "past").glob("*.json.gz"))


@pytest.fixture(scope="module", params=PASTS, ids=lambda file: file.name.partition(".")[0])
def past(request: pytest.FixtureRequest) -> Past:
    return moved(Past.read(request.param), clock.now())


@pytest.fixture(scope="module")
def upgraded(past: Past, run_folder: Path) -> Iterator[Stack]:
    """A stack that starts on another version's rows, records and mails."""
    home, ports = Home.at(run_folder / "past"), Ports.free()
    try:
        with Stack(config(home, ports, services=())) as bare:
            for service in SERVICES:
                _to_revision(bare, service, past.revisions[service])
            restored(past, bare)
        with Stack(config(home, ports)) as stack:
            yield stack
    finally:
        home.remove()


def _to_revision(stack: Stack, service: str, revision: str) -> None:
    env = stack.config.environment(service, stack.credentials())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPPORT_DATABASE_URL", env["RAPPORT_DATABASE_URL"])
        upgrade(repository() / "services" / service, revision)


def test_an_earlier_version_is_gone_on_with(past: Past, upgraded: Stack) -> None:
    with Workspace.fresh(upgraded, "past", source="new till") as workspace:
        look_until(lambda: history.answers(workspace) == past.answers, seconds=HANG_SECONDS)
        for what, now in history.answers(workspace).items():
            assert now == past.answers[what], what
        assert ledger.broken(upgraded) == []

        # Who is known goes on as the same person, who buys first gets the first mail.
        workspace.order("user-01", "1.00")
        workspace.order("user-06", "1.00")
        before = past.answers["people"]["user-01"]
        count = before["computed"]["orders"] + 1
        until("the next order", lambda: _orders(workspace, "user-01", before["id"]) == count)
        until("the mail", lambda: _mails(workspace)[address("user-06")])
        assert ledger.broken(upgraded) == []
        assert max(_mails(workspace).values()) == 1, _mails(workspace)


def _orders(workspace: Workspace, user: str, profile_id: str) -> int:
    found = workspace.profile("user_id", user)
    assert found is not None
    assert found["id"] == profile_id
    return int(found["computed"]["orders"])


def _mails(workspace: Workspace) -> Counter[str]:
    return Counter(str(one["To"]) for one in workspace.fresh_mails())
