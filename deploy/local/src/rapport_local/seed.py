"""The first workspace's source and write key, made through ingest's own API like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from rapport_local.credentials import Credentials, operator_token
from rapport_local.errors import LocalError

if TYPE_CHECKING:
    from rapport_local.stack import Stack

SOURCE_NAME = "demo"
CURRENCY = "USD"
"""Of orders that name none."""


def seed(stack: Stack) -> Credentials:
    """Create the source `demo` unless the one noted in the credentials is still there.

    Returns the credentials with `source` and `write_key` filled in. Raises `seed_failed`.
    """
    credentials = stack.credentials()
    headers = {"Authorization": f"Bearer {operator_token(credentials.secret)}"}
    with httpx.Client(base_url=stack.url("ingest"), headers=headers, timeout=10) as client:
        if credentials.write_key and credentials.source in _sources(client):
            return credentials
        wanted = {"name": SOURCE_NAME, "kind": "server", "policy": {"currency": CURRENCY}}
        created = _checked(client.post("/v1/sources", json=wanted))
    credentials.source, credentials.write_key = created["id"], created["write_key"]
    credentials.save()
    return credentials


def _sources(client: httpx.Client) -> set[str]:
    answer = _checked(client.get("/v1/sources", params={"limit": 1000}))
    return {entry["id"] for entry in answer["items"]}


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    raise LocalError(
        code="seed_failed",
        message=f"ingest would not make the demo source: {response.status_code} "
        f"{response.text[:200]}. `make clean` and `make up` begin anew.",
        details={"status": response.status_code, "body": response.text[:1000]},
    )
