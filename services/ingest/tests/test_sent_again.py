"""Imports, replays and repairs: sent again under an Idempotency-Key there is no second job."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration


async def post(ingest: "Ingest", path: str, body: Any, key: str = "k-1") -> Any:
    headers = {**ingest.token("*"), "Idempotency-Key": key}
    return await ingest.client.post(path, json=body, headers=headers)


async def test_a_job_is_made_once(ingest: "Ingest") -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/v1/imports": {"source": ingest.source, "format": "jsonl"},
        "/v1/replays/topic": {"selection": {"source": ingest.source}},
        "/v1/quarantine/repair": {"selection": {"source": ingest.source}},
    }
    for path, body in bodies.items():
        first, again, other = [await post(ingest, path, body, key) for key in ("a", "a", "b")]
        assert first.status_code == again.status_code == other.status_code, first.text
        assert first.json()["id"] == again.json()["id"] != other.json()["id"], path
        changed = {**body, "rate": 7} if "imports" not in path else {**body, "name": "other"}
        refused = await post(ingest, path, changed, "a")
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    jobs = (await ingest.get("/v1/jobs", "*"))["items"]
    assert len(jobs) == 2 * len(bodies)
