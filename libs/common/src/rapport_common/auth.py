"""Operator credentials: short JWTs with a workspace and scopes (RFC 7519, RFC 8725)."""

import json
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from rapport_common.errors import ForbiddenError, UnauthorizedError
from rapport_common.parameters import require_known_parameters
from rapport_common.trust import KeySource

ISSUER = AUDIENCE = "rapport"
WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LEEWAY_SECONDS = 5
MAX_TOKEN = 8192
MAX_KNOWN = 1000
KNOWN_SECONDS = 30.0
"""A token that has been checked is not checked again for so long."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who calls, for which workspace, and what they may do."""

    subject: str
    workspace: str
    scopes: frozenset[str]
    installation: bool = False
    """Whether they work on the installation as a whole; a claim of its own, never part of `*`."""

    def require(self, scope: str, *wider: str) -> None:
        """Raise ForbiddenError unless the token carries `scope`, one that includes it, or `*`."""
        if not self.scopes & {scope, *wider, "*"}:
            message = f"This token lacks the scope '{scope}'. Ask for a token that has it."
            raise ForbiddenError(message, details={"needed": scope, "has": sorted(self.scopes)})

    def require_installation(self) -> None:
        """Raise ForbiddenError unless the token carries the claim `installation: true`."""
        if not self.installation:
            message = (
                "This concerns all workspaces, and the token is for one: it lacks the claim "
                "`installation`. `rapport token --installation` prints one that has it."
            )
            raise ForbiddenError(message, details={"needed": "installation"})

    @property
    def sees(self) -> str | None:
        """The workspace this caller's view is limited to; None when it is the installation's."""
        return None if self.installation else self.workspace


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, for whom, and with which keys."""

    name: str
    audience: str
    keys: KeySource


class Authenticator:
    """Checks operator tokens by the public keys of their issuers; it can't make any.

    `hours`: how long a token may hold; one that says more is refused, whoever signed it, because
    what has leaked can't be called back.
    """

    def __init__(self, *issuers: Issuer, hours: float) -> None:
        self._issuers = {one.name: one for one in issuers}
        self._claims = {
            one.name: jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": one.name},
                aud={"essential": True, "value": one.audience},
                exp={"essential": True},
                sub={"essential": True},
                leeway=LEEWAY_SECONDS,
            )
            for one in issuers
        }
        self._hours = hours
        self._known: dict[str, tuple[float, Operator]] = {}

    async def verify(self, token: str) -> Operator:
        """The operator a token stands for; UnauthorizedError says what is wrong with it."""
        until, known = self._known.get(token, (0.0, None))
        if known is not None and time.time() < until:
            return known
        try:
            claims = await self._checked(token)
        except (JoseError, ValueError, TypeError) as error:
            raise _invalid(_reason(error)) from error
        operator = _operator(claims)
        while len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[token] = min(claims["exp"], time.time() + KNOWN_SECONDS), operator
        return operator

    async def _checked(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN:
            message = f"it has more than {MAX_TOKEN} characters"
            raise _invalid(message)
        unchecked = jws.extract_compact(token.encode())
        header = unchecked.headers()
        issuer = self._issuer(unchecked.payload)
        found = await issuer.keys.find(_text(header.get("kid")))
        if found is None:
            message = "the key that signed it is not known here"
            raise _invalid(message)
        key, algorithms = found
        if header.get("alg") not in algorithms:
            message = f"its algorithm must be {' or '.join(sorted(algorithms))}"
            raise _invalid(message)
        with warnings.catch_warnings():
            # Of Ed25519's older name, which providers still use: the signature is the same.
            warnings.simplefilter("ignore", SecurityWarning)
            claims = jwt.decode(token, key, registry=_REGISTRY).claims
        self._claims[issuer.name].validate(claims)
        self._check_lifetime(claims)
        return claims

    def _issuer(self, payload: bytes) -> Issuer:
        """Whose token it says it is: nothing else of it is believed before it is checked."""
        said = json.loads(payload)
        name = said.get("iss") if isinstance(said, dict) else None
        found = self._issuers.get(name) if isinstance(name, str) else None
        if found is None:
            message = f"its issuer must be {' or '.join(self._issuers)}"
            raise _invalid(message)
        return found

    def _check_lifetime(self, claims: Mapping[str, Any]) -> None:
        longest = self._hours * 3600 + LEEWAY_SECONDS
        issued = claims.get("iat", claims["exp"])
        if claims["exp"] - time.time() > longest or claims["exp"] - issued > longest:
            message = f"it may hold for {self._hours:g} h at most"
            raise _invalid(message)


# Providers put fields of their own into the header; those named in `crit` are refused all the same.
_REGISTRY = jws.JWSRegistry(
    algorithms=["RS256", "ES256", "Ed25519", "EdDSA"], strict_check_header=False
)


def _operator(claims: Mapping[str, Any]) -> Operator:
    workspace, scopes = claims.get("workspace"), claims.get("scopes")
    if scopes is None and isinstance(claims.get("scope"), str):
        scopes = claims["scope"].split()  # RFC 9068, 2.2.3: as identity providers have it
    known = isinstance(workspace, str) and WORKSPACE.fullmatch(workspace)
    if not known or not isinstance(scopes, list):
        message = (
            "The bearer token needs a workspace (a slug: a-z, 0-9, '-', '_', up to 63 "
            "characters) and a list of scopes."
        )
        raise UnauthorizedError(message)
    return Operator(
        str(claims["sub"]),
        str(workspace),
        frozenset(map(str, scopes)),
        installation=claims.get("installation") is True,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, JoseError) else "it is not a JWT"


def _invalid(reason: str) -> UnauthorizedError:
    return UnauthorizedError(
        f"The bearer token is not valid: {reason.rstrip('.')}. `make token` prints a new one."
    )


BEARER = HTTPBearer(
    scheme_name="operator token",
    bearerFormat="JWT",
    description="`rapport token` prints one; it carries a workspace and scopes.",
    auto_error=False,
)
Shown = Annotated[object, Security(BEARER)]
"""Only declares in the OpenAPI that a token is needed; `authenticate` reads it."""


async def authenticate(request: Request) -> Operator:
    """The verified caller of a request; UnauthorizedError. Looked at once per request."""
    known: Operator | None = getattr(request.state, "operator", None)
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        message = "This route needs `Authorization: Bearer <token>`. `make token` prints one."
        raise UnauthorizedError(message)
    authenticator: Authenticator = request.app.state.authenticator
    request.state.operator = await authenticator.verify(token.strip())
    verified: Operator = request.state.operator
    return verified


def operator(scope: str, *wider: str) -> Callable[[Request], Awaitable[Operator]]:
    """A FastAPI dependency: the verified caller, who has `scope` and asks for nothing unknown.

    `wider` are scopes that include it.
    """

    async def verified(request: Request, _shown: Shown = None) -> Operator:
        caller = await authenticate(request)
        caller.require(scope, *wider)
        require_known_parameters(request)
        return caller

    return verified


def installation_operator(scope: str) -> Callable[[Request], Awaitable[Operator]]:
    """Like `operator`, for work on the installation as a whole: the token must have the claim."""
    scoped = operator(scope)

    async def verified(request: Request, _shown: Shown = None) -> Operator:
        caller = await scoped(request)
        caller.require_installation()
        return caller

    return verified


InstallationOps = Annotated[Operator, Depends(installation_operator("ops"))]
"""Who operates the installation: positions, ledgers and what else is of no single workspace."""
