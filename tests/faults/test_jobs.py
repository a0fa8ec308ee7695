"""A job of many rows whose process dies again and again ends where it should, and is exact."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import broker
from tests.support.stacks import running
from tests.support.waiting import until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.long]

ROWS = 100_000
KILLS = 10
SPEC = {
    "source": "till",
    "name": "rows.csv",
    "mapping": {"type": "identify", "fields": {"userId": "id", "messageId": "id"}},
}


@pytest.fixture(scope="module")
def front(run_folder: Path) -> Iterator[Stack]:
    """Kafka, Postgres and ingest."""
    with running(run_folder / "jobs", ("ingest",)) as started:
        yield started


@pytest.fixture
def workspace(front: Stack) -> Iterator[Workspace]:
    with Workspace.fresh(front) as made:
        yield made


def test_an_import_killed_ten_times_is_exact(front: Stack, workspace: Workspace) -> None:
    job = workspace.post("ingest", "/v1/imports", SPEC)["id"]
    content = "id\n" + "".join(f"person-{number}\n" for number in range(ROWS))
    url = f"{front.url('ingest')}/v1/imports/{job}/file"
    workspace.operator.put(url, content=content.encode()).raise_for_status()

    def shown() -> dict[str, Any]:
        return workspace.get("ingest", f"/v1/jobs/{job}")

    places: list[int] = []
    for kill in range(1, KILLS + 1):
        wanted = range(kill * ROWS // (KILLS + 2), ROWS + 1)
        until(
            f"{wanted[0]} rows",
            lambda wanted=wanted: shown()["done"] in wanted,  # type: ignore[misc] # of the loop
        )
        killed = front.kill("ingest")
        front.wait_component("ingest", not_pid=killed)
        places.append(shown()["done"])
    found = until(
        "end of the import",
        lambda: (one := shown())["finished_at"] and one,
    )
    print(f"killed at {places}")
    assert (found["state"], found["done"]) == ("done", ROWS)
    assert (found["accepted"], found["rejected"]) == (ROWS, 0)
    # Each death was in the middle, and made it begin again where it was.
    assert max(places) < ROWS
    logged = broker.message_ids(front.config.bootstrap_servers, "events", workspace.name)
    assert {one for partition in logged for one in partition} == {
        f"person-{number}" for number in range(ROWS)
    }
