"""Reading a process's /metrics."""

import httpx

from rapport_local.ports import HOST


def metric(port: int, name: str, **labels: str) -> float:
    """Return one number; 0 when it is not there."""
    shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
    wanted = f"{name}{{{shown}}} "
    lines = httpx.get(f"http://{HOST}:{port}/metrics").text.splitlines()
    return next((float(one.removeprefix(wanted)) for one in lines if one.startswith(wanted)), 0.0)
