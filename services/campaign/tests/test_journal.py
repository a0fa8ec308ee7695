"""What a killed sender leaves behind: which mails it had not begun."""

import asyncio
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from services.campaign.tests.conftest import quick_settings
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.handlers.ledger import equations
from rapport_campaign.journal import Entry, Journal

ENTRIES = [Entry("acme", f"{number:02}", f"p{number}") for number in range(4)]
SENDER = """
import sys, time
from pathlib import Path
from rapport_campaign.journal import Entry, Journal
entries = [Entry("acme", f"{number:02}", f"p{number}") for number in range(4)]
with Journal(Path(sys.argv[1])).batch("token", entries) as page:
    page.begin(("acme", "00"))
    page.begin(("acme", "02"))
    page.end(("acme", "02"), "sent")
    page.begin(("acme", "03"))
    page.end(("acme", "03"), "retry")
    print("begun", flush=True)
    time.sleep(3600)
"""


def sender(folder: Path) -> subprocess.Popen[bytes]:
    """A process that has begun three of four, of which one is taken and one is to go once more."""
    process = subprocess.Popen([sys.executable, "-c", SENDER, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def test_what_a_killed_process_had_not_begun_is_known(tmp_path: Path) -> None:
    process = sender(tmp_path)
    journal = Journal(tmp_path)
    try:
        assert journal.left() == [], "it lives"
        process.send_signal(signal.SIGSTOP)
        assert journal.left() == [], "it may go on"
    finally:
        process.kill()
        process.communicate()
    (left,) = journal.left()
    assert (left.token, left.untouched) == ("token", [ENTRIES[1], ENTRIES[3]])
    assert (left.taken, left.refused) == ([ENTRIES[2]], [])
    journal.forget(left)
    assert journal.left() == []


def test_what_is_written_down_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.batch("a", ENTRIES) as page, journal.batch("b", ENTRIES):
        page.begin(ENTRIES[0].key)
        assert journal.left() == []
    with journal.batch("c", []), pytest.raises(KeyError), journal.batch("d", ENTRIES) as page:
        page.begin(("acme", "other"))
    assert [one.token for one in journal.left()] == ["d"]
    assert Journal(None).left() == []
    with Journal(None).batch("e", ENTRIES) as page:
        page.begin(ENTRIES[0].key)


def test_where_nothing_can_be_kept_a_batch_goes_all_the_same(tmp_path: Path) -> None:
    """A read-only disk, a full one."""
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "folder")
    for token in ("a", "b"):
        with journal.batch(token, ENTRIES) as page:
            page.begin(ENTRIES[0].key)
            page.end(ENTRIES[0].key, "sent")
    assert journal.left() == []


@pytest.mark.parametrize("damage", ["boot", "cut", "empty"])
def test_what_may_be_wrong_says_nothing(tmp_path: Path, damage: str) -> None:
    """After a restart of the machine the last bytes may be lost."""
    process = sender(tmp_path)
    process.kill()
    process.communicate()
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().encode()
    changed = {"boot": data.replace(boot, b"another"), "cut": data[:-1], "empty": b""}[damage]
    path.write_bytes(changed)
    assert Journal(tmp_path).left() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
async def test_it_goes_on_at_once_and_what_was_begun_does_not(scenario: Any) -> None:
    """A batch of a process that died, with its page; the lease has an hour to go."""
    folder = quick_settings(1).journal_folder
    for number in range(4):
        await scenario.topics.requested(f"r{number}", to=f"p{number}@example.com")
    token = str(uuid.uuid4())
    async with scenario.engine.begin() as tx:
        await tx.execute(
            text(
                "WITH gone AS (DELETE FROM campaign.plan RETURNING *) INSERT INTO campaign.sending "
                "(workspace, send_key, planned_at, kind, purpose, occasion, step, channel, "
                "profile_id, to_address, attempt, queue, needed_version, token, lease_until) "
                "SELECT workspace, send_key, planned_at, kind, purpose, occasion, step, channel, "
                "profile_id, to_address, 1, queue, needed_version, CAST(:token AS uuid), "
                "now() + interval '1 h' FROM gone"
            ),
            {"token": token},
        )
        await tx.execute(text("UPDATE campaign.message_total SET state = 'sending'"))
        await tx.execute(
            text(
                "INSERT INTO campaign.contact (workspace, profile_id, at, send_key, channel, "
                "purpose, address) SELECT workspace, profile_id, now(), send_key, channel, "
                "'transactional', 'x' FROM campaign.sending"
            )
        )
    rows = await scenario.ledger.rows()
    entries = [Entry(row["workspace"], row["send_key"], row["profile_id"]) for row in rows]
    with suppress(InterruptedError), Journal(folder).batch(token, entries) as page:
        page.begin(entries[0].key)
        for entry, result in zip(entries[1:3], ("sent", "failed"), strict=True):
            page.end(entry.key, result)  # type: ignore[arg-type] # one of the words
        raise InterruptedError
    async with scenario.sending():
        async with asyncio.timeout(HANG_SECONDS):
            while (await scenario.ledger.states()).get("sent", 0) < 2:
                await between_looks()
    states = {row["send_key"]: row["state"] for row in await scenario.ledger.rows()}
    assert [states[one.send_key] for one in entries] == ["sending", "sent", "failed", "sent"]
    assert set(scenario.mail_server.send_keys()) == {entries[3].send_key}
    contacts = await scenario.ledger.query("SELECT send_key FROM campaign.contact")
    kept = {entries[0].send_key, entries[1].send_key, entries[3].send_key}
    assert {row["send_key"] for row in contacts} == kept, "who was refused was not written to"
    told = {event.message_id for event in await scenario.ledger.events()}
    assert told == {f"sent-{entries[1].send_key}", f"sent-{entries[3].send_key}"}
    async with scenario.engine.begin() as tx:
        assert set((await equations(tx)).values()) == {0}
    assert list(folder.iterdir()) == []
