"""Answers in JSON that has been JSON before."""

from typing import Any

import msgspec
from fastapi import Response


def json_answer(content: Any) -> Response:
    """msgspec, because events and traits are passed on as the JSON they are."""
    return Response(msgspec.json.encode(content), media_type="application/json")
