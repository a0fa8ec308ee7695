"""Operator tokens: what is let in, and what each refusal says."""

from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey

from rapport_common import clock
from rapport_common.auth import Authenticator, Operator, installation_operator, operator
from rapport_common.http import Health, create_app
from rapport_common.keys import derive

SECRET = "s" * 32
AUTHENTICATOR = Authenticator(SECRET)
Caller = Annotated[Operator, Depends(operator("things:read"))]


def application() -> FastAPI:
    app = create_app("segment", Health(), SECRET)

    @app.get("/thing")
    async def thing(caller: Caller) -> dict[str, str]:
        return {"workspace": caller.workspace}

    return app


async def ask(token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/thing", headers=headers)


def mint(workspace: str = "demo", scopes: list[str] | None = None, hours: int = 1) -> str:
    chosen = ["things:read"] if scopes is None else scopes
    return AUTHENTICATOR.mint(workspace, "ada", chosen, timedelta(hours=hours))


async def test_a_good_token_brings_its_workspace() -> None:
    answer = await ask(mint())
    assert (answer.status_code, answer.json()) == (200, {"workspace": "demo"})
    assert (await ask(mint(scopes=["*"]))).status_code == 200


FOREIGN = Authenticator("t" * 32).mint("demo", "eve", ["*"], timedelta(hours=1))
UNCLAIMED = jwt.encode({"alg": "HS256"}, {"sub": "eve"}, OctKey.import_key(b"k" * 32))


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "unauthorized"),
        ("nonsense", 401, "unauthorized"),
        (mint(hours=-1), 401, "unauthorized"),
        (mint(workspace="Not A Slug"), 401, "unauthorized"),
        (mint(scopes=["other"]), 403, "forbidden"),
        (
            Authenticator("t" * 32).mint("demo", "eve", ["*"], timedelta(hours=1)),
            401,
            "unauthorized",
        ),
        (
            jwt.encode({"alg": "HS256"}, {"sub": "eve"}, OctKey.import_key(b"k" * 32)),
            401,
            "unauthorized",
        ),
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
    app = create_app("segment", Health(), SECRET)

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
    token = AUTHENTICATOR.mint("demo", "ada", scopes, hour, installation=installation)
    transport = httpx.ASGITransport(installation_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/thing", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"sees": None}


@pytest.mark.parametrize("claim", ["true", 1, [True], {}])
def test_a_claim_that_only_looks_true_is_none(claim: object) -> None:
    claims = {
        "iss": "rapport",
        "aud": "rapport",
        "sub": "eve",
        "exp": int(clock.now().timestamp()) + 60,
    }
    claims |= {"workspace": "demo", "scopes": ["*"], "installation": claim}
    key = OctKey.import_key(derive(SECRET, "operator-token"))
    caller = AUTHENTICATOR.verify(jwt.encode({"alg": "HS256"}, claims, key))
    assert not caller.installation
    assert caller.sees == "demo"
