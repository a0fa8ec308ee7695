"""The API's reference: its OpenAPI document with examples, and a page of it that needs no internet.

Swagger UI's files come from the package `fastapi-offline`; only they are used of it. The page runs
no script but these, and may ask nobody but the service itself.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from pydantic import BaseModel

ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  persistAuthorization: false, presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""
MAX_DEPTH = 8
FASTAPIS = ("HTTPValidationError", "ValidationError")
"""The schemas of FastAPI's own errors, which no route answers."""

Document = dict[str, Any]


class Problem(BaseModel):
    """The body of every error: `code` is for programs, `message` says what to do."""

    code: str
    message: str
    details: dict[str, Any]


def add_reference(app: FastAPI) -> None:
    """/docs, and examples in /openapi.json."""
    made = app.openapi

    @cache
    def document() -> Document:
        found = made()
        for _path, _method, operation in operations(found):
            _add_example(found, operation)
            _add_problem(operation)
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for name in FASTAPIS:
            schemas.pop(name, None)
        schemas["Problem"] = Problem.model_json_schema()
        return found

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's own guide extends it
    _add_page(app)


def operations(document: Document) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of a document, in its order."""
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    ]


def _add_page(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.format(title=app.title), headers=HEADERS)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(START, media_type="text/javascript", headers=HEADERS)

    for name in ASSETS:
        app.add_api_route(f"/docs/{name}", _asset(name), include_in_schema=False)


def _asset(name: str) -> Callable[[], Any]:
    async def asset() -> FileResponse:
        kept = {**HEADERS, "cache-control": "max-age=86400"}
        return FileResponse(_folder() / name, headers=kept)

    return asset


@cache
def _folder() -> Path:
    found = find_spec("fastapi_offline")
    if found is None or found.origin is None:
        message = "fastapi-offline is not installed: the reference's page has no scripts"
        raise RuntimeError(message)
    return Path(found.origin).parent / "static"


def _add_example(document: Document, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if not {"example", "examples"} & parameter.keys():
            parameter["example"] = example_of(document, parameter.get("schema", {}))
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == "application/json" and not {"example", "examples"} & content.keys():
            content["example"] = example_of(document, content.get("schema", {}))
    for status, answer in operation.get("responses", {}).items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content and not {"example", "examples"} & content.keys():
            content["example"] = example_of(document, content.get("schema", {}))


def _add_problem(operation: dict[str, Any]) -> None:
    """Errors have the house's form, where FastAPI says its own for a body that is not valid."""
    answers = operation["responses"]
    invalid = answers.get("422", {}).get("content", {}).get("application/json", {})
    if invalid.get("schema", {}).get("$ref", "").endswith(f"/{FASTAPIS[0]}"):
        del answers["422"]
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers["default"] = {"description": "Any error.", "content": content}


def example_of(document: Document, schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that the schema takes; what the schema itself gives as one comes first."""
    schema = _resolved(document, schema)
    for known in ("example", "const", "default"):
        if schema.get(known) is not None:
            return schema[known]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for choices in ("anyOf", "oneOf", "allOf"):
        if schema.get(choices):
            return example_of(document, schema[choices][0], depth + 1)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return _object(document, schema, depth)
    if kind == "array":
        least = max(1, schema.get("minItems", 0)) if depth < MAX_DEPTH else 0
        return [example_of(document, schema.get("items", {}), depth + 1) for _ in range(least)]
    return _scalar(schema, kind)


def _resolved(document: Document, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _object(document: Document, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    wanted = schema.get("required", ())
    return {
        name: example_of(document, one, depth + 1)
        for name, one in schema.get("properties", {}).items()
        if name in wanted or (depth == 0 and "default" not in one)
    }


_TEXTS = {
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "date-time": "2026-01-31T09:30:00Z",
    "date": "2026-01-31",
    "time": "09:30:00",
    "uri": "https://example.com/",
    "email": "mara@example.com",
}


def _scalar(schema: Mapping[str, Any], kind: str | None) -> Any:
    if kind == "boolean":
        return True
    if kind in {"integer", "number"}:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return min(max(1, least), schema.get("maximum", least + 1))
    if kind == "null":
        return None
    text = _TEXTS.get(str(schema.get("format")), "example")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text))]
