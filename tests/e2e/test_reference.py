"""The five OpenAPI documents and their pages: complete, alike, and served without the internet."""

import re
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest

if TYPE_CHECKING:
    from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
OPEN = {"/healthz", "/readyz"}
METHODS = {"get", "post", "put", "patch", "delete"}


def asked(stack: "Stack", service: str, path: str) -> httpx.Response:
    return httpx.get(stack.url(service) + path, timeout=60)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(stack: "Stack", service: str) -> dict[str, Any]:
    found: dict[str, Any] = asked(stack, service, "/openapi.json").raise_for_status().json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_the_page_asks_nobody_but_the_service(stack: "Stack", service: str) -> None:
    page = asked(stack, service, "/docs").raise_for_status()
    assert "default-src 'none'; script-src 'self';" in page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    for one in named:
        assert "//" not in one
        assert asked(stack, service, f"/{one}").raise_for_status().content
    assert "<script>" not in page.text


def test_every_operation_says_which_credential_it_needs(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["operator token"]["scheme"] == "bearer"
    for method, path, operation in operations(document):
        needed = path.startswith("/v1/") or operation.get("security")
        if needed and "sdk" not in operation.get("tags", ()):
            assert operation.get("security"), (method, path)
            assert {name for one in operation["security"] for name in one} <= schemes.keys()
        else:
            assert path in OPEN or not operation.get("security"), (method, path)


def test_examples_are_what_the_schemas_take(document: dict[str, Any]) -> None:
    wrong = []
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        assert "example" in content or "examples" in content, (method, path)
        schema = {**content["schema"], "components": document["components"]}
        if "example" in content and not jsonschema_rs.is_valid(schema, content["example"]):
            wrong.append((method, path, content["example"]))
    assert not wrong


def test_operations_have_a_name_and_errors_one_form(document: dict[str, Any]) -> None:
    ids = [one["operationId"] for _, _, one in operations(document)]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations(document):
        assert operation.get("summary"), (method, path)
        problem = operation["responses"].get("default") or operation["responses"].get("4XX")
        assert "Problem" in str(problem), (method, path)


def test_addresses_of_sdks_are_shown(stack: "Stack") -> None:
    paths = asked(stack, "ingest", "/openapi.json").json()["paths"]
    for one in ("/v1/batch", "/v1/track", "/batch", "/i", "/v1/cloudevents", "/v1/pixel.gif"):
        assert one in paths


def test_names_keep_the_convention(document: dict[str, Any]) -> None:
    """docs/api.md: times end in `_at`, paths have ids in braces and no verb but as a last part."""
    for method, path, operation in operations(document):
        if not path.startswith("/v1/") or operation.get("security") is None:
            continue
        assert path == path.lower(), path
        assert not path.endswith("/"), path
        for parameter in operation.get("parameters", ()):
            schema = str(parameter.get("schema"))
            if "date-time" in schema and parameter["in"] == "query":
                name = parameter["name"]
                assert re.search(r"(?:_at|since|until|from|to|before|after|day)$", name), name
            if parameter["name"] == "limit":
                assert "maximum" in schema, (method, path)
    for name, schema in document["components"]["schemas"].items():
        for field, shown in schema.get("properties", {}).items():
            if shown.get("format") == "date-time":
                assert re.search(r"(?:_at|since|until|from|to|at)$", field), (name, field)
