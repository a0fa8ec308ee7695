"""The operator API against its own OpenAPI: what schemathesis makes up gets declared answers."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from tests.support.wording import python_in

from rapport_ingest.handlers import locate
from rapport_ingest.routes import ROUTES

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration

EXAMPLES = 5
ADDRESSES = {one.path + "{rest}" * one.prefix for one in ROUTES}
# These have no end.
STREAMS = {"text/event-stream"}


def cases_of(operation: Any, mode: GenerationMode) -> list[Case[Any]]:
    """The same ones in every run: nothing is drawn by chance."""
    found: list[Case[Any]] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Case[Any]) -> None:
        found.append(case)

    # An operation without parameters can't be asked wrongly.
    with suppress(Unsatisfiable):
        collect()
    return found


def request_of(case: Case[Any], token: dict[str, str]) -> httpx.Request | None:
    """None for what no HTTP client can send."""
    arguments = case.as_transport_kwargs(base_url="http://ingest")
    headers = {**dict(arguments.get("headers") or {}), **token}
    try:
        return httpx.Request(
            case.method,
            str(arguments["url"]),
            params=arguments.get("params"),
            headers=headers,
            json=arguments.get("json"),
            content=arguments.get("data") if arguments.get("json") is None else None,
        )
    except (UnicodeEncodeError, TypeError, httpx.InvalidURL):
        return None


def declared(document: dict[str, Any], case: Case[Any], answer: httpx.Response) -> str | None:
    """What the answer has that the OpenAPI does not declare."""
    shown = document["paths"][case.operation.path][case.method.lower()]["responses"]
    found = shown.get(str(answer.status_code), shown.get("default"))
    if found is None:
        return f"status {answer.status_code} is not declared"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if answer.content and kind not in found.get("content", {kind: {}}):
        return f"content type {kind!r} is not declared"
    problem = answer.status_code >= 400 and case.operation.path != "/readyz"
    if problem and set(answer.json()) != {"code", "message", "details"}:
        return answer.text[:200]
    return None


def modes_of(operation: Any) -> list[GenerationMode]:
    """What is only named in the path can't be wrong: to look for what could takes seconds."""
    asked = [*operation.query, *operation.body]
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if asked else [])]


async def test_every_operation_answers_as_it_declares(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing of what is made up is in the log, which is looked through to its end.
    monkeypatch.setattr(locate, "SEARCH_SECONDS", 0.2)
    app = getattr(ingest.built.app._app, "_app", None)
    assert isinstance(app, FastAPI)
    document = app.openapi()
    schema: Any = schemathesis.openapi.from_dict(document)
    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if "events" in operation.definition.raw.get("tags", ()) and operation.path in ADDRESSES:
            continue  # these are answered before FastAPI, and have a corpus of their own
        declares = document["paths"][operation.path][operation.method.lower()]["responses"]
        if any(STREAMS & set(one.get("content", {})) for one in declares.values()):
            continue
        for mode in modes_of(operation):
            for case in cases_of(operation, mode):
                request = request_of(case, ingest.token())
                if request is None:
                    continue
                answer = await ingest.client.send(request)
                shown = (case.method, str(request.url)[:200], request.content[:200])
                assert answer.status_code < 500, (shown, answer.text[:300])
                assert answer.status_code < 400 or python_in(answer.text) is None, shown
                assert declared(document, case, answer) is None, (shown, answer.text[:300])
                sent += 1
    assert sent > 50
