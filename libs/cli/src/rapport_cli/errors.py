"""The one error type of the command line: what went wrong, where, and what to do."""

from __future__ import annotations

from typing import Any


class CliError(Exception):
    """A failure the user can act on: a stable `code`, one line for people, and details."""

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}

    def body(self) -> dict[str, Any]:
        """Return the form in which every error of every service is shown."""
        return {"code": self.code, "message": self.message, "details": self.details}
