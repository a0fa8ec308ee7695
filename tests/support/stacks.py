"""A stack for tests: real services, Kafka, Postgres and SMTP, with short patience."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rapport_local.config import Config
from rapport_local.paths import Home
from rapport_local.ports import SERVICES, Ports
from rapport_local.stack import Stack

SESSION_SECONDS = 6  # the least that Kafka allows
ENV = {
    "RAPPORT_SESSION_TIMEOUT_MS": str(SESSION_SECONDS * 1000),
    # Small batches: a fault then meets many commits, not one or two.
    "RAPPORT_CONSUMER_BATCH": "200",
    # Most of the time nothing flows, and what asks Kafka for it takes the others' processor.
    "RAPPORT_FETCH_WAIT_MS": "500",
}
# What a killed sender was handing over becomes `uncertain` when its lease ends: after two minutes
# by default.
CAMPAIGN_ENV = {
    "RAPPORT_SMTP_TIMEOUT": "3",
    "RAPPORT_LEASE_SECONDS": "8",
    # A machine that does many things at once is slow to tell of a new segment.
    "RAPPORT_SEGMENT_WAIT_SECONDS": "8",
}


@contextmanager
def running(
    folder: Path,
    services: tuple[str, ...] = SERVICES,
    *,
    split: tuple[str, ...] = (),
    **ingest: str,
) -> Iterator[Stack]:
    """Run a stack of these services with its home in `folder`; when it fails, show its logs.

    Those that are `split` serve in one process and work in another. `ingest` are settings of that
    service.
    """
    home = Home.at(folder)
    stack = Stack(
        Config(
            home,
            Ports.free(),
            services=services,
            split=split,
            env=ENV,
            service_env={"campaign": CAMPAIGN_ENV, "ingest": ingest},
        )
    )
    try:
        yield stack.start()
    finally:
        stack.stop()
        # The logs are about to go. Pytest prints it for failed tests.
        sys.stderr.writelines(f"{line}\n" for line in last_words(home))
        home.remove()


def last_words(home: Home) -> Iterator[str]:
    """Why processes have ended, from their logs."""
    for log in sorted(home.logs.glob("*.log")):
        lines = [
            line
            for line in log.read_text(errors="replace").splitlines()
            if '"level":"critical"' in line.replace(" ", "")
            or "Traceback" in line
            or "ending the process" in line
        ]
        for line in lines[-5:]:
            yield f"{log.stem}: {line[:2000]}"
