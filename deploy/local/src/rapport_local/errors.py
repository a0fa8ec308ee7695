"""The one error type of the local runtime: what went wrong, where, and what to do."""

from __future__ import annotations

import errno
from typing import Self


class LocalError(Exception):
    """A failure the user can act on.

    `code` is a stable word for programs, `message` one line for people that ends with what to do,
    `details` holds what a test or a bug report needs (ports, pids, last log lines).
    """

    def __init__(
        self, *, code: str, message: str, details: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}
        lines = self.details.get("tail")
        if isinstance(lines, list) and lines:
            # Where it is not caught, as in a test: the log may be gone when somebody reads of it.
            self.add_note("\n".join(map(str, lines)))

    def as_json(self) -> dict[str, object]:
        """Return the error as `{code, message, details}`."""
        return {"code": self.code, "message": self.message, "details": self.details}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Self:
        """Rebuild an error another process wrote down."""
        details = data.get("details")
        return cls(
            code=str(data["code"]),
            message=str(data["message"]),
            details=details if isinstance(details, dict) else None,
        )


def is_disk_full(error: OSError) -> bool:
    """Tell whether the system refused a write for want of space or quota."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def disk_full(where: object, free: int | None = None) -> LocalError:
    """Build the error for a full disk at `where`; `free` in bytes when it is known."""
    left = "" if free is None else f" ({free // 2**20} MiB left)"
    return LocalError(
        code="disk_full",
        message=f"The disk that holds {where} is full{left}. Free at least 512 MiB, or point "
        "RAPPORT_HOME to another disk, then start again.",
        details={"path": str(where), "free_bytes": free},
    )
