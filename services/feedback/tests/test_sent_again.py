"""Surveys, waves and cases: sent again under an Idempotency-Key there is no second one."""

from typing import Any

import pytest
from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
SURVEY = {"name": "NPS", "kind": "nps", "question": "How likely are you to recommend us?"}
CASE = {"user_id": "u1", "subject": "Late", "body": "Two weeks."}


async def posted(service: Service, path: str, body: Any = None, key: str = "k-1") -> Any:
    headers = {"Idempotency-Key": key}
    answer = await service.client.post(path, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_surveys_and_cases_are_made_once(service: Service) -> None:
    for path, body in (("/v1/surveys", SURVEY), ("/v1/cases", CASE)):
        first, again = [await posted(service, path, body) for _ in range(2)]
        assert first["id"] == again["id"]
        assert (await posted(service, path, body, "k-2"))["id"] != first["id"]
        assert len((await service.client.get(path)).json()["items"]) == 2


async def test_a_wave_is_begun_once(service: Service) -> None:
    path = f"/v1/surveys/{await service.survey()}/waves"
    assert [await posted(service, path) for _ in range(2)] == [{"wave": 2}] * 2
    assert await posted(service, path, key="k-2") == {"wave": 3}
    assert await posted(service, path) == {"wave": 2}
