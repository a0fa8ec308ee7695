"""HTTP calls to the services, with every failure turned into one line that says what to do."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from rapport_cli.errors import CliError
from rapport_cli.patience import patience
from rapport_cli.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapport_cli.config import Config

SECONDS = 30.0
HINTS = {
    401: "`rapport token` shows how a token is made; check RAPPORT_SECRET and RAPPORT_TOKEN.",
    403: "Use a token with that scope.",
    503: "Try again in a moment; `make status` shows what is away.",
}


def trusted(url: str) -> ssl.SSLContext:
    """Return whom a connection to this address trusts.

    To read the authorities takes longer than a call: they are read once, and only for https.
    """
    return _authorities() if url.lower().startswith("https:") else _nobody()


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@cache
def _nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Session:
    """One call of the command line: its configuration, and an API client per service."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def api(self, service: str, *, installation: bool = False) -> Api:
        """Return a client of one service; raises `unknown_service` or `no_secret`.

        With `installation` it may do what concerns all workspaces.
        """
        url = self.config.url(service)
        return Api(service, url, self.token(installation=installation))

    def token(self, *, installation: bool = False) -> str:
        """Return the given token, else mint one for an hour."""
        config = self.config
        if config.token:
            return config.token
        return mint(
            config.secret,
            config.workspace,
            hours=1,
            installation=installation,
            generation=config.generation,
        )


class Api:
    """One service's operator API."""

    def __init__(self, service: str, url: str, token: str) -> None:
        self.service = service
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """GET; parameters that are None are left out. Raises CliError."""
        asked = {key: value for key, value in query.items() if value is not None}
        return self._call("GET", path, params=asked)

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST a JSON body, or none. Raises CliError."""
        return self._call("POST", path, json=body) if body is not None else self._call("POST", path)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH with a JSON body. Raises CliError."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str, **query: Any) -> dict[str, Any]:
        """DELETE, with parameters. Raises CliError."""
        return self._call("DELETE", path, params=query)

    def lines(self, path: str) -> Iterator[str]:
        """GET, and yield the lines of the answer as they come. Raises CliError."""
        try:
            with (
                self._client() as client,
                client.stream("GET", path) as response,
            ):
                if not response.is_success:
                    response.read()
                    raise self._refused(response)
                yield from response.iter_lines()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def download(self, path: str, body: dict[str, Any] | None = None) -> Iterator[bytes]:
        """POST, or GET without a body, and yield the file that is the answer as it comes.

        Raises CliError; `unreachable` when it ends before its end.
        """
        method = "GET" if body is None else "POST"
        try:
            with self._client() as client, client.stream(method, path, json=body) as response:
                if not response.is_success:
                    response.read()
                    raise self._refused(response)
                yield from response.iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise _unsendable(error) from error

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT a JSON body. Raises CliError."""
        return self._call("PUT", path, json=body)

    def upload(self, path: str, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """PUT bytes. Raises CliError."""
        return self._call("PUT", path, content=content, headers=headers)

    def send(self, path: str, content: bytes, query: dict[str, Any]) -> dict[str, Any]:
        """POST a file. Raises CliError."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._call("POST", path, content=content, params=query, headers=headers)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            headers=self._headers,
            timeout=patience(SECONDS),
            verify=trusted(self.url),
        )

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            with self._client() as client:
                response = client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise _unsendable(error) from error
        if not response.is_success:
            raise self._refused(response)
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
        answer = _json(response)
        if answer is None:
            message = f"{self.service} at {self.url} did not answer in JSON: is it Rapport's?"
            raise CliError("not_json", message)
        return answer

    def _unreachable(self, error: Exception) -> CliError:
        reason = str(error) or type(error).__name__
        return CliError(
            "unreachable",
            f"{self.service} does not answer at {self.url} ({reason}). Start it with `make up`, or "
            f"set RAPPORT_{self.service.upper()}_URL.",
            {"service": self.service, "url": self.url},
        )

    def _refused(self, response: httpx.Response) -> CliError:
        body = _json(response) or {}
        message = str(body.get("message") or response.text[:200] or response.reason_phrase)
        hint = HINTS.get(response.status_code, "")
        return CliError(
            str(body.get("code") or "refused"),
            " ".join(filter(None, [f"{self.service} ({response.status_code}): {message}", hint])),
            {"status": response.status_code, **(body.get("details") or {})},
        )


def _unsendable(error: ValueError) -> CliError:
    """Of what no request can be made."""
    is_text = isinstance(error, UnicodeError)
    why = "a text in it is no UTF-8" if is_text else "JSON has no NaN, and no number such as 1e400"
    return CliError("bad_value", f"What is given can't be sent: {why}.")


def _json(response: httpx.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
