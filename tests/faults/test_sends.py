"""A send whose worker, Kafka, Postgres and mail server die over and over again: everybody is in the
ledger, nobody gets it twice, and what is not known is what was in hand and says so.
"""

import asyncio
import email
import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from tests.support.audience import SEGMENT, bring_people, define_segment, sent_events
from tests.support.database import Database
from tests.support.matrix import SEEDS
from tests.support.stacks import running
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

COMPONENTS = ("campaign", "kafka", "postgres", "smtp")
PAGE = 2000
"""Recipients that the planner plans in one transaction."""
IN_HAND = 2 * 16 * 2
"""Two lanes of sixteen connections, each with a mail and the next."""
LEASED = "SELECT count(*) FROM campaign.sending WHERE lease_until > now()"
MESSAGES = "SELECT send_key, state FROM campaign.message WHERE workspace = $1"
PLANNED = "SELECT count(*) FROM campaign.send WHERE workspace = $1"
ENTERED = "SELECT count(*) FROM campaign.entry WHERE workspace = $1"


@pytest.fixture
def stack(run_folder: Path) -> Iterator[Stack]:
    """Campaign alone: what profile and segment tell is told by the tests."""
    with running(run_folder / "sends", ("campaign",)) as started:
        yield started


@pytest.fixture
def workspace(stack: Stack) -> Iterator[Workspace]:
    """One that allows promotions."""
    with Workspace.known(stack, f"w-{secrets.token_hex(5)}", "") as made:
        made.patch("campaign", "/v1/policy", {"promotion_without_consent": True})
        yield made


@dataclass(frozen=True)
class Point:
    """A component dies when so many mails of its wave have come."""

    component: str
    mails: int

    @staticmethod
    def seeded(seed: int, wave: int) -> "Iterator[Point]":
        """Each component in turn, at another moment of each wave."""
        chance = random.Random(seed)
        while True:
            for component in chance.sample(COMPONENTS, len(COMPONENTS)):
                yield Point(component, chance.randrange(wave * 2 // 3))


class Send:
    """One campaign, and who enters its segment while it sends."""

    def __init__(self, stack: Stack, workspace: Workspace) -> None:
        self._stack = stack
        self._workspace = workspace
        self._bootstrap = stack.config.bootstrap_servers
        self.campaign = ""
        self.people = 0
        self.kills: Counter[str] = Counter()

    def begin(self, people: int) -> None:
        """Those who are there already are planned by a job, whose worker dies after each page."""
        asyncio.run(define_segment(self._bootstrap, self._workspace.name))
        self.bring(people)
        self._wait_for("entries", ENTERED, people)
        self.campaign = until("a campaign", self._draft)
        self._workspace.post("campaign", f"/v1/campaigns/{self.campaign}/start")
        for planned in range(0, people, PAGE):
            self._wait_for("planned page", PLANNED, planned)
            self.kill("campaign")

    def _draft(self) -> str | None:
        body = {
            "name": "Weekly",
            "segment_id": SEGMENT,
            "purpose": "promotion",
            "from_address": self._workspace.from_address,
            "subject": "Hi {{ profile.traits.first_name }}",
            "html": "<a href='https://shop.example/'>x</a>",
            "include_existing": True,
        }
        return str(self._workspace.post("campaign", "/v1/campaigns", body)["id"])

    def bring(self, people: int) -> None:
        """So many more enter."""
        numbers = range(self.people, self.people + people)
        asyncio.run(bring_people(self._bootstrap, self._workspace.name, numbers))
        self.people += people

    def wave(self, people: int, point: Point) -> None:
        """So many more enter, and somebody dies while they are written to."""
        before = self.mails()
        self.bring(people)
        until(f"{point.mails} mails", lambda: self.mails() >= before + point.mails)
        self.kill(point.component)

    def kill(self, component: str, number: int = signal.SIGKILL) -> None:
        """And is back."""
        killed = self._stack.kill(component, number)
        self._stack.wait_component(component, not_pid=killed)
        self.kills[component] += 1

    def freeze(self) -> None:
        """The worker stands still until what it has in hand is no more its own."""
        pid = self._stack.kill("campaign", signal.SIGSTOP)
        with Database(self._stack) as database:
            until("end of all leases", lambda: database.column(LEASED) == [0])
        os.kill(pid, signal.SIGCONT)
        assert self._stack.pid("campaign") == pid
        self.kills["campaign"] += 1

    def mails(self) -> int:
        """How many the catcher has, of all."""
        return sum(1 for _mail in self._maildir().iterdir())

    def _maildir(self) -> Path:
        return self._stack.home.mail / "new"

    def settle(self) -> dict[str, str]:
        """Wait until nothing is planned or in hand; returns the state of each key."""

        def at_rest() -> bool:
            counts = self._workspace.counts(self.campaign)
            return sum(counts.values()) == self.people == counts["sent"] + counts["uncertain"]

        until("an end of the send", at_rest)
        with Database(self._stack) as database:
            rows = database.rows(MESSAGES, self._workspace.name)
        return {row["send_key"]: row["state"] for row in rows}

    def keys(self) -> Counter[str]:
        """How often each key is in the mailbox."""
        ours = self._workspace.from_address
        heads = (email.message_from_bytes(path.read_bytes()) for path in self._maildir().iterdir())
        return Counter(
            str(head["X-Rapport-Send-Key"]) for head in heads if ours in str(head["From"])
        )

    def events(self) -> Counter[str]:
        """How often "Email Sent" was told of each message."""
        return asyncio.run(sent_events(self._bootstrap, self._workspace.name))

    def _wait_for(self, what: str, statement: str, least: int) -> None:
        with Database(self._stack) as database:
            until(what, lambda: database.column(statement, self._workspace.name)[0] >= least)


def prove(send: Send) -> None:
    """All equations of one send."""
    states = send.settle()
    keys, numbers = send.keys(), Counter(states.values())
    print(f"{dict(send.kills)} died; {dict(numbers)}; {len(keys)} in the mailbox")
    assert len(states) == send.people
    assert set(keys.values()) == {1}, [key for key, times in keys.items() if times > 1]
    sent = {key for key, state in states.items() if state == "sent"}
    assert sent <= set(keys) <= set(states)
    assert numbers["uncertain"] <= IN_HAND * (send.kills["campaign"] + send.kills["smtp"])
    # A record may come again, under the id by which whoever reads it knows that.
    told = until(
        "events of all that were sent",
        lambda: events if len(events := send.events()) >= len(sent) else None,
    )
    assert len(told) == len(sent)


def test_each_part_of_a_send_dies_and_nobody_is_left_out_or_gets_it_twice(
    stack: Stack, workspace: Workspace
) -> None:
    send = Send(stack, workspace)
    send.begin(100)
    for point in islice(Point.seeded(1, 50), len(COMPONENTS)):
        send.wave(50, point)
    send.bring(50)
    send.freeze()
    send.bring(50)
    send.kill("campaign", signal.SIGTERM)
    prove(send)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_ten_thousand_are_written_to_through_two_hundred_deaths(
    stack: Stack, workspace: Workspace, seed: int
) -> None:
    send = Send(stack, workspace)
    send.begin(3 * PAGE)
    for point in islice(Point.seeded(seed, 20), 197):
        send.wave(20, point)
    send.bring(60)
    prove(send)
    assert (send.people, sum(send.kills.values())) == (10_000, 200)
