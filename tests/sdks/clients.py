"""The clients, what each can say, and the faults that each survives by itself.

A fault that an SDK answers by throwing events away is not played: no server could help it. What
was measured of each is said beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.sdks.plan import Call, browser_plan, server_plan
from tests.support.fault_proxy import Fault

ALL = ("identify", "track", "page", "screen", "group", "alias")
# A pass first: some SDKs send their first event alone. Passes between let back-offs start anew.
SURVIVES_ALL: tuple[Fault, ...] = (
    *("pass", "503", "reset", "429", "slow", "pass", "restart", "pass", "500"),
)


@dataclass(frozen=True)
class Client:
    """One SDK in one mode. `note` says why a fault is missing."""

    name: str
    version: str
    program: str
    kinds: Sequence[str] = ALL
    mode: str = "json"
    where: Literal["python", "node", "browser"] = "python"
    faults: Sequence[Fault] = SURVIVES_ALL
    patient: bool = False
    note: str = ""

    @property
    def label(self) -> str:
        """The name of its test."""
        return f"{self.name} ({self.mode})"

    def plan(self) -> list[Call]:
        """What it sends; the ids of its people are its own."""
        prefix = f"{self.program}-{self.mode}".replace("_", "-")
        make = browser_plan if self.where == "browser" else server_plan
        return make(prefix, self.kinds)


CLIENTS: tuple[Client, ...] = (
    Client("segment-analytics-python", "2.4.0", "segment_python"),
    Client("segment-analytics-python", "2.4.0", "segment_python", mode="gzip"),
    Client("@segment/analytics-node", "3.1.0", "segment_node", where="node"),
    Client("analytics-node", "6.2.0", "analytics_node", where="node"),
    Client("rudder-sdk-python", "2.1.9", "rudder_python"),
    Client("rudder-sdk-python", "2.1.9", "rudder_python", mode="gzip"),
    Client("@rudderstack/rudder-sdk-node", "3.0.13", "rudder_node", where="node"),
    Client("@rudderstack/rudder-sdk-node", "3.0.13", "rudder_node", where="node", mode="gzip"),
    *(
        Client(
            "@segment/analytics-next",
            "1.84.3",
            "analytics_next",
            kinds=("identify", "track", "page", "screen", "group"),
            mode=mode,
            where="browser",
        )
        for mode in ("single", "batching")
    ),
)
