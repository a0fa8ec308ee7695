"""All clients at once against one stack: each through a proxy and a workspace of its own."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sdks.clients import Client
from tests.sdks.plan import Call
from tests.sdks.verdict import Outcome, Stored, captured, is_captured, sent_key, stored_key
from tests.support import node
from tests.support.fault_proxy import FaultProxy, Restarter
from tests.support.waiting import HANG_SECONDS, between_looks
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

HERE = Path(__file__).parent
QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Fleet:
    """The stack, and the folder of npm's packages."""

    stack: Stack
    packages: Path

    async def run(self, clients: Sequence[Client]) -> list[Outcome]:
        """Start all of them together; an outcome for each, in their order."""
        restarter = Restarter(self.stack)
        with ExitStack() as opened:
            workspaces = [opened.enter_context(Workspace.fresh(self.stack)) for _ in clients]
            outcomes = await asyncio.gather(
                *(
                    self._one(client, workspace, restarter)
                    for client, workspace in zip(clients, workspaces, strict=True)
                )
            )
            print(f"ingest was killed {restarter.count} times")
            await _idle(workspaces[0])
            for outcome, workspace in zip(outcomes, workspaces, strict=True):
                told, total = _told(workspace, outcome.calls)
                outcome.stored = [one for one in told if not _is_derived(outcome.client, one)]
                outcome.captured = captured(told)
                outcome.total = total - (len(told) - len(outcome.stored))
        return outcomes

    async def _one(self, client: Client, workspace: Workspace, restarter: Restarter) -> Outcome:
        calls = client.plan()
        upstream = self.stack.config.ports.service("ingest")
        proxy = FaultProxy(
            *(upstream, client.faults, restarter), patient=client.patient, secure=client.secure
        )
        outcome = Outcome(client, calls, datetime.now(UTC), datetime.now(UTC))
        async with proxy.listening():
            job = {
                "url": proxy.url,
                "port": proxy.port,
                "key": workspace.write_key,
                "mode": client.mode,
                "calls": [call.json() for call in calls],
            }
            outcome.failure = await self._drive(outcome, job, proxy, workspace)
        outcome.ended = datetime.now(UTC)
        outcome.played, outcome.left = proxy.played, proxy.left
        outcome.requests = proxy.requests
        return outcome

    async def _drive(
        self, outcome: Outcome, job: dict[str, Any], proxy: FaultProxy, workspace: Workspace
    ) -> str:
        """Run a driver to its end; returns what it complained of."""
        process = await asyncio.create_subprocess_exec(
            *self._command(outcome.client),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=node.environment(self.packages),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        # Read all the time: a client that complains of each fault would wait for a full pipe.
        output = asyncio.create_task(process.stdout.read())
        process.stdin.write(json.dumps(job).encode() + b"\n")
        waited = ""
        if outcome.client.where == "browser":
            # A page can't know when all has been taken: it stays open until then.
            waited = await _arrived(workspace, outcome, proxy, process)
        process.stdin.close()
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await process.wait()
        except TimeoutError:
            waited = f"{waited} it did not end within {HANG_SECONDS:g} s."
            process.kill()
        said = _tail(await output)
        return f"{waited} It said: {said}" if waited or process.returncode else ""

    def _command(self, client: Client) -> Sequence[str | os.PathLike[str]]:
        if client.where == "python":
            return [sys.executable, HERE / f"python/{client.program}.py"]
        if client.where == "browser":
            page = HERE / f"browser/{client.program}.html"
            return [node.NODE, HERE / "browser/browser.mjs", page]
        return [node.NODE, HERE / f"node/{client.program}.cjs"]


def _tail(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-2000:]


async def _arrived(
    workspace: Workspace, outcome: Outcome, proxy: FaultProxy, process: Process
) -> str:
    """Wait until so many events are stored and nothing is repeated any more, or the driver ends.

    Returns what was waited for in vain, after a time that only a hang reaches.
    """
    began = time.monotonic()
    missing = "anything"
    while process.returncode is None:
        now = time.monotonic()
        silent = now - proxy.quiet_since
        # While it still sends there is nothing to look for.
        if silent > QUIET_SECONDS:
            with suppress(httpx.HTTPError):
                missing = _missing(workspace, outcome)
        if not missing:
            return ""
        if now - began > HANG_SECONDS:
            return f"{now - began:.0f} s, the last {silent:.0f} silent, did not bring {missing}."
        await between_looks()
    return ""


def _missing(workspace: Workspace, outcome: Outcome) -> str:
    """What of a browser's plan is not stored yet; nothing if all is."""
    told = _stored(workspace, outcome.calls)
    stored = {stored_key(one) for one in told if not _is_derived(outcome.client, one)}
    lacking = [f"{one.kind} {one.name}" for one in outcome.calls if sent_key(one) not in stored]
    lacking += [str(name) for name in set(outcome.client.captures) - captured(told)]
    return ", ".join(lacking)


async def _idle(workspace: Workspace) -> None:
    """Wait until profile has read all that ingest has written; the spool included."""
    deadline = asyncio.get_running_loop().time() + HANG_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        with suppress(httpx.HTTPError):
            if _all_read(workspace):
                return
        await between_looks()
    pytest.fail(f"after {HANG_SECONDS:g} s profile has not read all of `events`")


def _is_derived(client: Client, event: Stored) -> bool:
    """Whether it is none of the plan's.

    Ingest makes an event of its own of traits that came with a PostHog event, profile of the groups
    that somebody is in; and some SDKs send by themselves.
    """
    if str(event["message_id"]).endswith("#set") or event["source"] == "profile":
        return True
    return bool(client.captures) and is_captured(event)


def _all_read(workspace: Workspace) -> bool:
    written = workspace.get("ingest", "/v1/ledger")
    read = workspace.get("profile", "/v1/positions")["items"]
    consumed = sum(one["next_offset"] for one in read if one["topic"] == "events")
    return not written["spooled_now"] and written["topic"]["end_offsets_total"] == consumed


def _told(workspace: Workspace, calls: Sequence[Call]) -> tuple[list[Stored], int]:
    """What is stored, and how many events profile counts, of a moment without a new one."""
    while True:
        total = _total(workspace)
        told = _stored(workspace, calls)
        if total == _total(workspace):
            return told, total


def _total(workspace: Workspace) -> int:
    return int(workspace.get("profile", "/v1/stats")["events"])


def _stored(workspace: Workspace, calls: Sequence[Call]) -> list[Stored]:
    """The timelines of all people of a plan; of each event its names are fields, by kind."""
    users = sorted({call.user for call in calls if call.user})
    timelines = [event for user in users for event in workspace.timeline(user)]
    return [{**event, **dict(event["identifiers"])} for event in timelines]
