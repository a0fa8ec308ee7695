"""A stack for tests: real services, Kafka, Postgres and SMTP."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import HANG_SECONDS

from rapport_local.config import Config
from rapport_local.paths import Home
from rapport_local.ports import SERVICES, Ports
from rapport_local.stack import Stack

SESSION_SECONDS = 6  # the least that Kafka allows
BATCHES = {
    # Small batches: a fault then meets many commits, not one or two.
    "RAPPORT_CONSUMER_BATCH": "200",
    # Most of the time nothing flows, and what asks Kafka for it takes the others' processor.
    "RAPPORT_FETCH_WAIT_MS": "500",
}
# A process that a slow machine lets wait is none that hangs.
WATCHDOG = {"RAPPORT_WATCHDOG_SECONDS": "300"}


@dataclass(frozen=True)
class Limits:
    """Settings of all services, those of campaign, and Kafka's own."""

    env: Mapping[str, str]
    campaign: Mapping[str, str]
    kafka: Mapping[str, str] = field(default_factory=dict)


# What a killed sender was handing over becomes `uncertain` when its lease ends: after two minutes
# by default. A frozen member is evicted when its session ends.
SHORT = Limits(
    {**BATCHES, **WATCHDOG, "RAPPORT_SESSION_TIMEOUT_MS": str(SESSION_SECONDS * 1000)},
    {
        "RAPPORT_SMTP_TIMEOUT": "3",
        "RAPPORT_LEASE_SECONDS": "20",
        # A machine that does many things at once is slow to tell of a new segment.
        "RAPPORT_SEGMENT_WAIT_SECONDS": "8",
    },
)
"""Of a stack whose processes are killed and frozen."""

PATIENT = Limits(
    {
        **BATCHES,
        **WATCHDOG,
        "RAPPORT_SESSION_TIMEOUT_MS": "120000",
        "RAPPORT_REQUEST_SECONDS": f"{HANG_SECONDS:g}",
    },
    {
        "RAPPORT_SMTP_TIMEOUT": "60",
        "RAPPORT_LEASE_SECONDS": f"{HANG_SECONDS:g}",
        "RAPPORT_SEGMENT_WAIT_SECONDS": "8",
    },
    # A broker that gets no time for three seconds would be taken for dead, and lead nothing.
    {"broker.session.timeout.ms": "60000", "controller.quorum.fetch.timeout.ms": "60000"},
)
"""Of a stack in which nobody is killed: no limit that only a slow machine reaches."""


def config(
    home: Home,
    ports: Ports,
    limits: Limits = PATIENT,
    *,
    services: tuple[str, ...] = SERVICES,
    split: tuple[str, ...] = (),
    **env: Mapping[str, str],
) -> Config:
    """The wish for a stack under these limits; `env` are further settings by service."""
    campaign = {**limits.campaign, **env.pop("campaign", {})}
    return Config(
        home,
        ports,
        services=services,
        split=split,
        env=limits.env,
        service_env={"campaign": campaign, **env},
        kafka_settings=limits.kafka,
        start_seconds=HANG_SECONDS,
    )


@contextmanager
def running(
    folder: Path,
    services: tuple[str, ...] = SERVICES,
    *,
    limits: Limits = SHORT,
    split: tuple[str, ...] = (),
    **ingest: str,
) -> Iterator[Stack]:
    """Run a stack of these services with its home in `folder`; when it fails, show its logs.

    Those that are `split` serve in one process and work in another. `ingest` are settings of that
    service.
    """
    home = Home.at(folder)
    wish = config(home, Ports.free(), limits, services=services, split=split, ingest=ingest)
    stack = Stack(wish)
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
