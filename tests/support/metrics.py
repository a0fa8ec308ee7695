"""Reading a process's /metrics."""

import httpx
from tests.support.loopback import NOBODY
from tests.support.waiting import HANG_SECONDS

from rapport_local.ports import HOST


def metric(port: int, name: str, **labels: str) -> float:
    """Return one number; 0 when it is not there."""
    chosen = ",".join(f'{key}="{value}"' for key, value in labels.items())
    wanted = f"{name}{{{chosen}}} "
    shown = httpx.get(f"http://{HOST}:{port}/metrics", verify=NOBODY, timeout=HANG_SECONDS).text
    lines = shown.splitlines()
    return next((float(one.removeprefix(wanted)) for one in lines if one.startswith(wanted)), 0.0)
