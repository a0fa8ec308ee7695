"""The addresses that take events, as the OpenAPI document shows them.

FastAPI does not know them: they are answered before it (`intake.py`). What each client sends is its
own protocol; the document says where, with which credential, and shows an example of ours.
"""

from functools import cache
from typing import Any

from fastapi import FastAPI

from rapport_ingest.routes import ROUTES, Route

SCHEMES: dict[str, dict[str, Any]] = {
    "write key": {
        "type": "http",
        "scheme": "basic",
        "description": "The write key as the user, no password. `rapport source create` makes one.",
    },
    "write key in a header": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
}
EVENT = {
    "type": "track",
    "messageId": "order-1001",
    "userId": "42",
    "event": "Order Completed",
    "properties": {"order_id": "1001", "total": 129.9, "currency": "EUR"},
}
EXAMPLES = {"batch": {"batch": [EVENT]}, "identify": {"userId": "42", "traits": {"name": "Mara"}}}
AMPLITUDE_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "A problem as Amplitude's SDKs read it",
    "required": ["code", "error", "message", "details"],
    "properties": {
        "code": {"type": "integer", "description": "The status.", "example": 413},
        "error": {"type": "string", "description": "The message; `Invalid API key: …` at a 401."},
        "message": {"type": "string", "description": "What, where and what to do."},
        "details": {"type": "object", "description": "As elsewhere, and the `code` for programs."},
    },
}


def declare_addresses(app: FastAPI) -> None:
    """Add the addresses to the document of `app`."""
    made = app.openapi

    @cache
    def document() -> dict[str, Any]:
        found = made()
        found["components"].setdefault("securitySchemes", {}).update(SCHEMES)
        found["components"]["schemas"]["AmplitudeProblem"] = AMPLITUDE_PROBLEM
        for one in ROUTES:
            path = one.path + "{rest}" if one.prefix else one.path
            shown = found["paths"].setdefault(path, {})
            for method in one.methods:
                shown.setdefault(method.lower(), _operation(one, path, method))
        return found

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's own guide extends it


def _operation(route: Route, path: str, method: str) -> dict[str, Any]:
    dialect = route.dialect
    name = dialect.name.capitalize()
    what = f"a {dialect.kind} event" if dialect.kind else "events"
    problem = "AmplitudeProblem" if route.problem else "Problem"
    refused = {"application/json": {"schema": {"$ref": f"#/components/schemas/{problem}"}}}
    operation: dict[str, Any] = {
        "tags": ["events"],
        "summary": f"Send {what} as {name} does",
        "operationId": f"{method.lower()}{path.replace('/', '_').replace('.', '_')}".strip("{}"),
        "security": [{one: []} for one in SCHEMES],
        "responses": {
            "200": {"description": "Taken: the answer that this client expects."},
            "default": {"description": "Any error.", "content": refused},
        },
    }
    if route.prefix:
        place = {"name": "rest", "in": "path", "required": True, "example": "rk_0123456789ab_…"}
        operation["parameters"] = [{**place, "schema": {"type": "string"}}]
    if method != "GET":
        example = EXAMPLES.get(path.rpartition("/")[2], EVENT)
        body = {"schema": {"type": ["object", "array"]}, "example": example}
        operation["requestBody"] = {"content": {"application/json": body}}
    return operation
