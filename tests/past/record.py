"""Keep what this version of Rapport holds, for the versions after it to go on with.

`python -m tests.past.record tests/past/NAME.json.gz`, before a change of stored rows or records.
"""

import base64
import csv
import io
import signal
import sys
import tempfile
from pathlib import Path

from tests.past import history
from tests.past.keeping import Past, kept
from tests.support import ledger
from tests.support.database import Database
from tests.support.stacks import running
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_common.events.topics import PROFILE_ACTIVITY

ACTIVITY = PROFILE_ACTIVITY.name
FOLLOWERS = ("segment", "campaign", "feedback")


def main() -> None:
    """Let it happen, stop everybody in the middle, and write down what there is."""
    with (
        tempfile.TemporaryDirectory(prefix="rapport-past-") as folder,
        running(Path(folder) / "home") as stack,
        Workspace.fresh(stack, "past") as workspace,
    ):
        history.settled(workspace)
        assert ledger.broken(stack) == []
        for one in FOLLOWERS:
            stack.kill(one, signal.SIGSTOP)
        history.followers_away(workspace)
        until("everything told", lambda: _is_told(workspace))
        stack.kill("profile", signal.SIGSTOP)
        before = _accepted(workspace)
        history.profile_away(workspace)
        until("ingest's counts", lambda: _accepted(workspace) == before + history.UNHEARD)
        past = kept(stack)
        _hold_back(past)
        for one in ("profile", *FOLLOWERS):
            stack.kill(one, signal.SIGCONT)
        assert ledger.broken(stack) == []
        past.answers = history.answers(workspace)
    past.write(Path(sys.argv[1]))


def _hold_back(past: Past) -> None:
    """The newest record of each partition waits in profile's outbox: nobody has read it yet."""
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["id", "topic", "version", "keys", "payloads", "records", "bytes"])
    heard = _positions(past.rows["segment"]["position"])
    for number, (partition, log) in enumerate(past.topics[ACTIVITY].items(), start=1):
        if len(log) > heard[partition]:
            key, value = (base64.b64decode(one or "") for one in log.pop()[:2])
            version, size = PROFILE_ACTIVITY.version, len(key) + len(value)
            arrays = [f'{{"\\\\x{one.hex()}"}}' for one in (key, value)]
            table.writerow([number, ACTIVITY, version, *arrays, 1, size])
    past.rows["profile"]["outbox_batch"] = rows.getvalue()


def _positions(rows: str) -> dict[str, int]:
    """{partition: the offset behind what a follower has read}"""
    found = csv.DictReader(io.StringIO(rows))
    return {one["partition"]: int(one["next_offset"]) for one in found if one["topic"] == ACTIVITY}


def _is_told(workspace: Workspace) -> bool:
    with Database(workspace.stack) as database:
        return database.column("SELECT count(*) FROM profile.outbox_batch") == [0]


def _accepted(workspace: Workspace) -> int:
    """What ingest has written down of what it accepted; each of its processes does so in time."""
    return int(workspace.get("ingest", "/v1/ledger")["accepted"])


if __name__ == "__main__":
    main()
