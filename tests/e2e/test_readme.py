"""The README's shell pieces, run as a newcomer would: one after the other, in one shell."""

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.support.ready_command import ready_command
from tests.support.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
BASE = 8100
COMMAND = ".venv/bin/rapport"


def script(base: int) -> str:
    """The `sh` blocks, with the ports of the stack that is up."""
    pieces = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    joined = "\n".join(pieces)
    return re.sub(r"127\.0\.0\.1:(81\d\d)", lambda found: _moved(int(found[1]), base), joined)


def _moved(port: int, base: int) -> str:
    return f"127.0.0.1:{base + port - BASE}"


def test_the_next_steps_work_twice_as_they_stand(stack: "Stack") -> None:
    """Whoever tries them again meets his own source, customer, segment and survey."""
    environment = {
        **os.environ,
        "RAPPORT_HOME": str(stack.config.home.root),
        "RAPPORT_PORT_BASE": str(stack.config.ports.base),
        "RAPPORT_WORKSPACE": f"readme-{uuid4().hex[:8]}",
        "RAPPORT_PATIENCE_SECONDS": f"{HANG_SECONDS:g}",
    }
    as_it_stands = script(stack.config.ports.base)
    with ready_command() as ready:
        # The second time it is what the services say that counts.
        for asked in (as_it_stands, as_it_stands.replace(COMMAND, str(ready))):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", asked],
                check=False,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=HANG_SECONDS,
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            assert "USD 129.90" in done.stdout
            assert "BROKEN" not in done.stdout


def test_the_table_of_ports_is_true(stack: "Stack") -> None:
    table = (ROOT / "README.md").read_text().partition("## Ports and routes")[2]
    ports = stack.config.ports
    for name in ("ingest", "profile", "segment", "campaign", "feedback"):
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
        shown = [int(port) for port in re.findall(r"\b8\d\d\d\b", row)]
        assert shown == [
            ports.service(name) - ports.base + BASE,
            ports.metrics(name) - ports.base + BASE,
        ]
