"""The demo from start to end: the stack, the replay, the shopper, the checks, the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rapport_local import ui
from rapport_local.config import Config
from rapport_local.demo import checks, data, report, scene, stages
from rapport_local.demo.comeback import CUSTOMER, Comeback
from rapport_local.demo.data import History
from rapport_local.demo.mailbox import Mailbox
from rapport_local.demo.outcome import collect
from rapport_local.demo.platform import Platform
from rapport_local.demo.replay import Till
from rapport_local.demo.scene import BEST_FROM, Scene
from rapport_local.demo.shopper import NAME, Shopper
from rapport_local.demo.stages import Bar, Clock
from rapport_local.errors import LocalError
from rapport_local.paths import Home
from rapport_local.seed import seed
from rapport_local.stack import Stack

PIPELINE_SECONDS = 300.0  # a busy machine may be slow; being stuck is what this is for
SETTLE_SECONDS = 20.0
LOOK_SECONDS = 0.5


def run(*, keep: bool) -> bool:
    """Play the demo and print its report; returns whether every number is as it must be.

    A stack that is up already is used and left alone; one started here is stopped at the end
    unless `keep`. Raises LocalError.
    """
    history = data.load()
    clock = Clock()
    with _stack(clock, keep=keep) as (config, stays):
        workspace = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        with Platform(config, Stack(config).credentials().secret, workspace) as platform:
            good = _play(platform, history, clock)
        report.show_way_on(config, workspace, up=stays)
    return good


@contextmanager
def _stack(clock: Clock, *, keep: bool) -> Iterator[tuple[Config, bool]]:
    """Give the configuration of a running stack, and whether it stays up afterwards."""
    home = Home.from_environment()
    config = Config.from_environment()
    stack = Stack(config, detached=keep)
    if stack.is_up():
        ui.console.print("Using the stack that is up.")
        yield Config.read(home), True
        return
    with clock.stage("start of the stack"), ui.progress() as progress:
        stack.start(progress.changed, progress.downloaded)
    try:
        seed(stack)
        yield config, keep
    finally:
        if not keep:
            ui.console.print("\nStopping the stack …")
            stack.stop()


def _play(platform: Platform, history: History, clock: Clock) -> bool:
    ui.console.print(
        f"Workspace {platform.workspace}. Its policy allows promotion without consent, and the "
        "campaign “Thank you” allows events older than 24 h: both are off by default, and needed "
        "here because the purchases are from 1997 and 1998."
    )
    set_up = scene.set_up(platform)
    sender = scene.sender(platform.workspace)
    mailbox = Mailbox(platform.config.home.mail, sender, since=time.time())
    back = Comeback(platform, set_up, _tell_of(f"Customer {CUSTOMER}"))
    back.expect()
    clock.stages += _replay(platform, history, set_up)
    with clock.stage("a segment of the library built", len(history.spent), "people"):
        back.build()
    back.look()
    shopper = Shopper(platform, set_up, mailbox, _tell_of(NAME))
    with clock.stage(f"{NAME} in the web shop"):
        shopper.live()
    with clock.stage("until all is quiet, and the ledger"):
        back.leave()
        own = shopper.events + back.events
        _settle(platform, len(history.purchases) + own + len(mailbox.mails()))
        outcome = collect(platform, set_up, mailbox, back)
    found = checks.check(history, set_up, outcome, own)
    report.show(outcome, found, clock.stages)
    return all(one.holds for one in found)


def _replay(platform: Platform, history: History, set_up: Scene) -> list[stages.Stage]:
    till = Till(platform.config.url("ingest"), set_up.till_key)
    total, best = len(history.purchases), len(history.reaching(BEST_FROM))
    with stages.bars() as bars:
        accepted = bars.add("purchases accepted over HTTP", total)
        profiled = bars.add("… folded into profiles", total)
        mailed = bars.add("… mails to the best customers", best)
        till.start(history.purchases)
        deadline = time.monotonic() + PIPELINE_SECONDS
        while not all(bar.full for bar in (accepted, profiled, mailed)):
            _give_up_at(deadline)
            _refuse_rejects(platform)
            accepted.show(till.acknowledged())
            profiled.show(platform.get("profile", "/v1/stats")["orders"])
            mailed.show(
                platform.get("campaign", f"/v1/campaigns/{set_up.thanks}")["counts"]["sent"]
            )
            time.sleep(LOOK_SECONDS)
    return [_stage(accepted), _stage(profiled), mailed.stage("mails")]


def _stage(bar: Bar) -> stages.Stage:
    return bar.stage("events")


def _give_up_at(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise LocalError(
            code="demo_timeout",
            message=f"The replay did not reach the last mail within {PIPELINE_SECONDS:.0f} s. "
            "`make logs` and `rapport dead-letter list --service profile` tell more.",
        )


def _refuse_rejects(platform: Platform) -> None:
    """Look for verdicts: the client library takes every 200 for a success."""
    rejected = platform.get("ingest", "/v1/quarantine", limit=1)["items"]
    if rejected:
        one = rejected[0]
        raise LocalError(
            code="replay_failed",
            message=f"ingest rejected event {one['message_id']} ({one['code']}): {one['message']}",
        )


def _settle(platform: Platform, events: int) -> None:
    """Wait for the last event; when it does not come, the checks say so better than an error."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while platform.get("profile", "/v1/stats")["events"] < events:
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK_SECONDS)


def _tell_of(who: str) -> Callable[[str], None]:
    return lambda what: ui.console.print(f"{who} {what}.")
