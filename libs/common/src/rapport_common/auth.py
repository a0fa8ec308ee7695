"""Operator credentials: short JWTs with a workspace and scopes (RFC 7519, RFC 8725)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from rapport_common import clock
from rapport_common.errors import ForbiddenError, UnauthorizedError
from rapport_common.keys import derive

ISSUER = AUDIENCE = "rapport"
ALGORITHMS = ["HS256"]
WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    sub={"essential": True},
    leeway=5,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who calls, for which workspace, and what they may do."""

    subject: str
    workspace: str
    scopes: frozenset[str]
    installation: bool = False
    """Whether they work on the installation as a whole; a claim of its own, never part of `*`."""

    def require(self, scope: str) -> None:
        """Raise ForbiddenError unless the token carries `scope` or `*`."""
        if not self.scopes & {scope, "*"}:
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


class Authenticator:
    """Makes and checks operator tokens with a key derived from the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(derive(secret, "operator-token"))

    def mint(
        self,
        workspace: str,
        subject: str,
        scopes: list[str],
        lifetime: timedelta,
        *,
        installation: bool = False,
    ) -> str:
        """A signed token for `lifetime` from now; `installation` is for work on all workspaces."""
        issued = clock.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "workspace": workspace,
            "scopes": scopes,
            "iat": int(issued.timestamp()),
            "exp": int((issued + lifetime).timestamp()),
        }
        if installation:
            claims["installation"] = True
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    def verify(self, token: str) -> Operator:
        """The operator a token stands for; UnauthorizedError says what is wrong with it."""
        try:
            claims = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
            _CLAIMS.validate(claims)
        except (JoseError, ValueError) as error:
            message = f"The bearer token is not valid: {error}. `make token` prints a new one."
            raise UnauthorizedError(message) from error
        workspace, scopes = claims.get("workspace"), claims.get("scopes")
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


def authenticate(request: Request) -> Operator:
    """The verified caller of a request; UnauthorizedError. Looked at once per request."""
    known: Operator | None = getattr(request.state, "operator", None)
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        message = "This route needs `Authorization: Bearer <token>`. `make token` prints one."
        raise UnauthorizedError(message)
    authenticator: Authenticator = request.app.state.authenticator
    request.state.operator = authenticator.verify(token.strip())
    verified: Operator = request.state.operator
    return verified


def operator(scope: str) -> Callable[[Request], Operator]:
    """A FastAPI dependency: the verified caller, who has `scope`."""

    def verified(request: Request) -> Operator:
        caller = authenticate(request)
        caller.require(scope)
        return caller

    return verified


def installation_operator(scope: str) -> Callable[[Request], Operator]:
    """Like `operator`, for work on the installation as a whole: the token must have the claim."""
    scoped = operator(scope)

    def verified(request: Request) -> Operator:
        caller = scoped(request)
        caller.require_installation()
        return caller

    return verified
