"""The errors that cross a boundary: to an HTTP client, or from a handler to the consumer loop."""

from typing import Any


class AppError(Exception):
    """An error the caller can act on; rendered as `{code, message, details}` with `status`."""

    status = 400
    code = "bad_request"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.details = details or {}
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body every error of every service has."""
        return {"code": self.code, "message": self.message, "details": self.details}


class NotFoundError(AppError):
    """The thing named in the request does not exist in this workspace."""

    status = 404
    code = "not_found"


class ConflictError(AppError):
    """The thing exists already, or is in a state that does not allow the request."""

    status = 409
    code = "conflict"


class InvalidRequestError(AppError):
    """The request can be read but not carried out as it stands."""

    status = 422
    code = "invalid_request"


class UnauthorizedError(AppError):
    """No credential, or one that is not valid (any more)."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str, **kwargs: Any) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"}, **kwargs)


class ForbiddenError(AppError):
    """The credential is valid and lacks the scope."""

    status = 403
    code = "forbidden"


class TooLargeError(AppError):
    """A body of more than `limit` bytes, as it was sent or unpacked."""

    status = 413
    code = "too_large"

    def __init__(self, limit: int) -> None:
        size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
        message = f"The body is larger than {size}. Send less at a time."
        super().__init__(message, details={"limit": limit})


class BusyError(AppError):
    """The caller asks for more at once than is his share; try again in `retry_after` seconds."""

    status = 429
    code = "busy"

    def __init__(self, message: str, *, retry_after: int = 1, **kwargs: Any) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, **kwargs)


class UnavailableError(AppError):
    """Something this request needs is away; try again in `retry_after` seconds."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 1, **kwargs: Any) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, **kwargs)


class Retry(Exception):  # noqa: N818 - a verdict on a batch, not an error of the program
    """A handler's word: nothing is wrong with the records, try the same batch again in a moment."""


class InvalidEvent(Exception):  # noqa: N818 - a verdict on a record
    """A handler's word: record `index` of the batch it was given can never be applied."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
