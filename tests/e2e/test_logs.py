"""What goes through the services does not stay in their logs."""

import secrets
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from tests.support.workspace import Workspace

pytestmark = pytest.mark.e2e

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")


def test_logs_keep_no_credential_and_nobodys_data(workspace: "Workspace") -> None:
    mark = f"zebra{secrets.token_hex(6)}"
    address, stack = f"{mark}@customer.example", workspace.stack
    paths = [f"/{one}/{mark}" for one in ("s", "u", "c", "o", "v1/webhook")]
    paths += [f"/v1/pixel.gif?writeKey={mark}&data={mark}", f"/e/?api_key={mark}"]
    bodies = (b"{", f'{{"email": "{address}"}}'.encode(), f'{{"userId": "{mark}\\u0000"}}'.encode())
    statuses = set()
    for service in SERVICES:
        with httpx.Client(base_url=stack.url(service), timeout=HANG_SECONDS) as client:
            for path in paths:
                statuses.add(client.get(path).status_code)
                for body in bodies:
                    statuses.add(client.post(path, content=body).status_code)
            for credential in (f"Bearer {mark}.{mark}.{mark}", f"Basic {mark}"):
                headers = {"authorization": credential, "x-write-key": mark}
                for path in ("/v1/batch", "/v1/nowhere", "/v1/segments", "/v1/campaigns"):
                    found = client.post(path, content=bodies[1], headers=headers)
                    statuses.add(found.status_code)
    workspace.order(mark, "12.30", messageId=mark)
    assert max(statuses) < 500
    logs = {path.name: path.read_text() for path in stack.config.home.logs.glob("*.log")}
    assert {f"{one}.log" for one in SERVICES} <= logs.keys()
    kept = [name for name, text in logs.items() if mark in text and name[:-4] in SERVICES]
    assert not kept
