"""Operator tokens: what is let in, and what each refusal says."""

import base64
import http.server
import json
import threading
import warnings
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.support.api import patient_app
from typing_extensions import override

from rapport_common import clock, trust
from rapport_common.auth import Authenticator, Issuer, Operator, installation_operator, operator
from rapport_common.errors import UnauthorizedError, UnavailableError
from rapport_common.testing.credentials import OPERATOR_KEYS, SIGNING_KEY, authenticator, mint
from rapport_common.trust import KeysError, KeySource, keys_of

Caller = Annotated[Operator, Depends(operator("things:read"))]


def application() -> FastAPI:
    app = patient_app("segment")

    @app.get("/thing")
    async def thing(caller: Caller) -> dict[str, str]:
        return {"workspace": caller.workspace}

    return app


async def ask(token: str | None) -> httpx.Response:
    headers = {} if token is None else {b"Authorization": f"Bearer {token}".encode("latin-1")}
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/thing", headers=headers)


def token(
    workspace: str = "demo", scopes: list[str] | None = None, hours: float = 1, **more: Any
) -> str:
    chosen = ["things:read"] if scopes is None else scopes
    return mint(workspace, "ada", chosen, timedelta(hours=hours), **more)


def signed(
    changes: dict[str, object], key: Any = SIGNING_KEY, *, alg: str = "Ed25519", kid: object = None
) -> str:
    """A token like any other, but for `changes`; those that are None are left out."""
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": "rapport",
        "aud": "rapport",
        "sub": "eve",
        "workspace": "demo",
        "scopes": ["*"],
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: one for name, one in (claims | changes).items() if one is not None}
    header = {"alg": alg, "kid": SIGNING_KEY.kid if kid is None else kid}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(header, claims, key, algorithms=[alg])


def forged(header: dict[str, object]) -> str:
    """A token that nobody signed, with this header."""
    parts = (json.dumps(one).encode() for one in (header, {"iss": "rapport", "sub": "eve"}))
    return b".".join([*(base64.urlsafe_b64encode(one).rstrip(b"=") for one in parts), b""]).decode()


async def test_a_good_token_brings_its_workspace() -> None:
    answer = await ask(token())
    assert (answer.status_code, answer.json()) == (200, {"workspace": "demo"})
    assert (await ask(token(scopes=["*"]))).status_code == 200


OTHER = OKPKey.generate_key("Ed25519", auto_kid=True)
CENTURY = 100 * 365.25 * 24
NOW = int(clock.now().timestamp())
PUBLIC_AS_SECRET = OctKey.import_key(json.dumps(SIGNING_KEY.as_dict(private=False)).encode())


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "unauthorized"),
        ("nonsense", 401, "unauthorized"),
        ("a.b.c", 401, "unauthorized"),
        ("é.é.é".encode().decode("latin-1"), 401, "unauthorized"),
        ("x" * 20_000, 401, "unauthorized"),
        (token(hours=-1), 401, "unauthorized"),
        (token(hours=25), 401, "unauthorized"),
        (token(hours=CENTURY), 401, "unauthorized"),
        (signed({"exp": NOW + 60, "iat": NOW - 90_000}), 401, "unauthorized"),
        (signed({"exp": NOW + 60, "iat": NOW + 7200}), 401, "unauthorized"),
        (signed({"exp": str(NOW + 60)}), 401, "unauthorized"),
        (signed({"exp": 1e400}), 401, "unauthorized"),
        (signed({"exp": None}), 401, "unauthorized"),
        (signed({"iat": "yesterday"}), 401, "unauthorized"),
        (signed({"sub": None}), 401, "unauthorized"),
        (signed({"iss": "elsewhere"}), 401, "unauthorized"),
        (signed({"iss": ["rapport"]}), 401, "unauthorized"),
        (signed({"aud": "others"}), 401, "unauthorized"),
        (signed({"scopes": "*"}), 401, "unauthorized"),
        (token(workspace="Not A Slug"), 401, "unauthorized"),
        (token(scopes=["other"]), 403, "forbidden"),
        (signed({}, OTHER), 401, "unauthorized"),
        (signed({}, OTHER, kid=OTHER.kid), 401, "unauthorized"),
        (forged({"alg": "Ed25519", "kid": 7}), 401, "unauthorized"),
        (signed({}, PUBLIC_AS_SECRET, alg="HS256"), 401, "unauthorized"),
        (forged({"alg": "none", "kid": SIGNING_KEY.kid}), 401, "unauthorized"),
        (forged({"alg": ["Ed25519"], "kid": SIGNING_KEY.kid}), 401, "unauthorized"),
        (forged({"kid": SIGNING_KEY.kid}), 401, "unauthorized"),
    ],
)
async def test_a_bad_token_is_refused_with_a_reason(
    token: str | None, status: int, code: str
) -> None:
    answer = await ask(token)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "details"}


async def test_errors_have_one_form() -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        missing = await client.get("/nowhere")
        wrong = await client.post("/thing")
        alive = await client.get("/healthz")
        ready = await client.get("/readyz")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert (alive.status_code, ready.status_code) == (200, 200)


def installation_app() -> FastAPI:
    app = patient_app("segment")

    @app.get("/thing")
    async def thing(
        caller: Annotated[Operator, Depends(installation_operator("ops"))],
    ) -> dict[str, str | None]:
        return {"sees": caller.sees}

    return app


@pytest.mark.parametrize(
    ("scopes", "installation", "status"),
    [(["ops"], True, 200), (["*"], True, 200), (["*"], False, 403), (["other"], True, 403)],
)
async def test_work_on_the_installation_needs_a_claim_that_is_not_part_of_all_scopes(
    *, scopes: list[str], installation: bool, status: int
) -> None:
    hour = timedelta(hours=1)
    bearer = mint("demo", "ada", scopes, hour, installation=installation)
    transport = httpx.ASGITransport(installation_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/thing", headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"sees": None}


@pytest.mark.parametrize("claim", ["true", 1, [True], {}])
async def test_a_claim_that_only_looks_true_is_none(claim: object) -> None:
    caller = await authenticator().verify(signed({"installation": claim}))
    assert not caller.installation
    assert caller.sees == "demo"


# ---- an identity provider

PROVIDER = "https://id.example.com/"
THEIRS: dict[str, tuple[Any, str]] = {
    "RS256": (RSAKey.generate_key(2048, auto_kid=True), "RS256"),
    "ES256": (ECKey.generate_key("P-256", auto_kid=True), "ES256"),
    "Ed25519": (OKPKey.generate_key("Ed25519", auto_kid=True), "Ed25519"),
    "EdDSA": (OKPKey.generate_key("Ed25519", auto_kid=True), "EdDSA"),
}


def weak() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False))


UNUSABLE = [
    weak(),
    ECKey.generate_key("P-521", auto_kid=True).as_dict(private=False),
    OctKey.generate_key(256, auto_kid=True).as_dict(),
]
DOCUMENT = json.dumps(
    {"keys": [*(key.as_dict(private=False) for key, _alg in THEIRS.values()), *UNUSABLE]}
)
STAFF: dict[str, object] = {
    "iss": PROVIDER,
    "aud": "rapport-api",
    "scopes": None,
    "scope": "a things:read",
}


def with_provider(keys: str) -> Authenticator:
    own = Issuer("rapport", "rapport", KeySource(OPERATOR_KEYS))
    return Authenticator(own, Issuer(PROVIDER, "rapport-api", KeySource(keys)), hours=24)


@pytest.mark.parametrize("name", THEIRS)
async def test_a_providers_keys_are_taken_each_with_its_algorithm(name: str) -> None:
    (key, alg), checks = THEIRS[name], with_provider(DOCUMENT)
    caller = await checks.verify(signed(STAFF, key, alg=alg, kid=key.kid))
    assert caller.scopes == {"a", "things:read"}
    for wrong in (
        signed(STAFF | {"iss": "rapport"}, key, alg=alg, kid=key.kid),
        signed(STAFF | {"aud": "rapport"}, key, alg=alg, kid=key.kid),
        signed(STAFF | {"exp": NOW + 90_000}, key, alg=alg, kid=key.kid),
        signed(STAFF, key, alg=alg, kid="another"),
        signed(STAFF),
    ):
        with pytest.raises(UnauthorizedError):
            await checks.verify(wrong)


async def test_a_key_can_not_be_used_with_another_algorithm() -> None:
    rsa, _alg = THEIRS["RS256"]
    for alg in ("RS384", "PS256"):
        with pytest.raises(UnauthorizedError, match="its algorithm must be RS256"):
            await with_provider(DOCUMENT).verify(signed(STAFF, rsa, alg=alg, kid=rsa.kid))


@pytest.mark.parametrize(
    "document", ["{}", "[]", '{"keys":[]}', '{"keys":[1]}', json.dumps({"keys": UNUSABLE})]
)
def test_what_is_no_set_of_usable_keys_is_refused_at_the_start(document: str) -> None:
    with pytest.raises(KeysError):
        keys_of(document)


def test_a_private_key_among_the_public_ones_is_not_kept() -> None:
    ((key, _algorithms),) = keys_of(json.dumps({"keys": [SIGNING_KEY.as_dict()]})).values()
    assert "d" not in key.as_dict()


class Provider(http.server.BaseHTTPRequestHandler):
    """Shows `document`, or nothing when there is none."""

    document: str | None = None
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        body = (self.document or "").encode()
        self.send_response(200 if body else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


async def test_keys_at_an_address_are_fetched_when_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (OKPKey.generate_key("Ed25519", auto_kid=True) for _ in range(2))

    def shown(*keys: OKPKey) -> str:
        return json.dumps({"keys": [one.as_dict(private=False) for one in keys]})

    clock_ = [1000.0]
    monkeypatch.setattr(trust, "monotonic", lambda: clock_[0])
    Provider.document, Provider.asked = None, 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = KeySource(f"http://127.0.0.1:{server.server_port}/jwks")
        with pytest.raises(UnavailableError):
            await source.find(old.kid)
        Provider.document = shown(old)
        with pytest.raises(UnavailableError):  # it was asked a moment ago
            await source.find(old.kid)
        assert Provider.asked == 1
        clock_[0] += trust.AGAIN_SECONDS
        assert await source.find(old.kid) is not None
        assert await source.find(None) is not None
        clock_[0] += trust.AGAIN_SECONDS
        Provider.document = shown(old, new)
        assert await source.find(new.kid) is not None  # not known: asked for at once
        assert await source.find(None) is None  # which of the two?
        assert Provider.asked == 3
        Provider.document = None
        clock_[0] += trust.FRESH_SECONDS + 1
        assert await source.find(old.kid) is not None  # away: the known ones go on
        assert Provider.asked == 4
        Provider.document = shown(new)
        clock_[0] += trust.AGAIN_SECONDS
        assert await source.find(old.kid) is None
    finally:
        server.shutdown()
        server.server_close()
