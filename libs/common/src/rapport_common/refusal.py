"""The answer to who breaks a bound of HTTP, before an application is asked: bytes for a socket."""

import json
from typing import Any

from rapport_common.problem_pages import Headers, problem_page

_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
_RETRY_AFTER = {503: "5"}
"""Seconds."""


def refusal(
    status: int, message: str, *, app: Any, asked: tuple[bytes, Headers] | None
) -> tuple[bytes, bytes]:
    """Head and body: a page for people, `{code, message, details}` for programs.

    `asked` is the address of the request and its fields, as far as they have been read; None when
    it is not known what the client wants. `app` knows which addresses are people's. The connection
    is to be closed after it.
    """
    page = None
    if asked is not None:
        url, fields = asked
        page = problem_page(app, url.decode("latin-1"), fields, status, message)
    if page is None:
        code = _PHRASES[status].lower().replace(" ", "_")
        body = json.dumps({"code": code, "message": message, "details": {}}).encode()
        headers = {"content-type": "application/json"}
    else:
        body = page.html.encode()
        headers = {"content-type": "text/html; charset=utf-8", **page.headers}
    if status in _RETRY_AFTER:
        headers["retry-after"] = _RETRY_AFTER[status]
    lines = [f"HTTP/1.1 {status} {_PHRASES[status]}"]
    lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode(), body
