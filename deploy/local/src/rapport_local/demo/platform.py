"""The services as the demo sees them: HTTP with an operator token of the demo's own workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from rapport_local.credentials import operator_token
from rapport_local.errors import LocalError

if TYPE_CHECKING:
    from types import TracebackType

    from rapport_local.config import Config

SECONDS = 30.0


class Platform:
    """An operator's calls in one workspace."""

    def __init__(self, config: Config, secret: str, workspace: str) -> None:
        self.config = config
        self.workspace = workspace
        token = operator_token(secret, workspace=workspace)
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS)

    def get(self, service: str, path: str, **query: Any) -> dict[str, Any]:
        """GET from a service; raises `demo_refused`."""
        return self._call("GET", service, path, params=query)

    def post(self, service: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST JSON to a service; raises `demo_refused`."""
        return self._call("POST", service, path, json=body)

    def patch(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH with JSON; raises `demo_refused`."""
        return self._call("PATCH", service, path, json=body)

    def profile(self, kind: str, value: str) -> dict[str, Any] | None:
        """Return the person with this identifier, or None while there is nobody."""
        try:
            return self.get("profile", "/v1/profiles", kind=kind, value=value)
        except LocalError as error:
            if error.details.get("status") == httpx.codes.NOT_FOUND:
                return None
            raise

    def _call(self, method: str, service: str, path: str, **options: Any) -> dict[str, Any]:
        url = self.config.url(service) + path
        try:
            response = self._client.request(method, url, **options)
        except httpx.HTTPError as error:
            raise LocalError(
                code="demo_unreachable",
                message=f"{service} did not answer {method} {url} ({error!r}). "
                "`make logs` tells more.",
            ) from error
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        raise LocalError(
            code="demo_refused",
            message=f"{service} answered {response.status_code} to {method} {path}: "
            f"{response.text[:300]}. `make logs` tells more.",
            details={"status": response.status_code},
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()
