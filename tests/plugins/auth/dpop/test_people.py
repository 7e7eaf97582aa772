"""Tokens of people that are bound to a key: by code, refresh token and /userinfo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.sql import Sql
from plugins.auth.dpop.proof import read
from plugins.auth.oauth.authentication import NONE
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import (
    CALLBACK,
    ISSUER,
    VERIFIER,
    App,
    Place,
    place,
)

__all__ = ["here"]
TOKEN, USERINFO = f"{ISSUER}/token", f"{ISSUER}/userinfo"


async def post(app: App, holder: Holder | None, **sent: str) -> tuple[int, Any, Any]:
    headers = {"DPoP": holder.proof("POST", TOKEN)} if holder else {}
    form = {"client_id": app.client.id, **sent}
    url = f"{app.root}/auth/token"
    async with app.place.session.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers


async def redeem(app: App, holder: Holder | None, code: str) -> tuple[int, Any, Any]:
    sent = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await post(app, holder, grant_type="authorization_code", **sent)


async def about(app: App, field: str, **headers: str) -> tuple[int, str]:
    url, sent = f"{app.root}/auth/userinfo", {"Authorization": field, **headers}
    async with app.place.session.get(url, headers=sent) as answer:
        return answer.status, answer.headers.get("WWW-Authenticate", "")


async def test_a_public_clients_refresh_token_needs_the_same_key(here: Place) -> None:
    app, ada = await here.app(method=NONE), await here.ada()
    one, other = Holder(), Holder()
    status, told, _ = await redeem(app, one, await app.code(ada))
    assert (status, told["token_type"]) == (200, "DPoP")
    sent = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    for wrong in (other, None):
        status, refused, _ = await post(app, wrong, **sent)
        assert (status, refused["error"]) == (400, "invalid_grant")
    status, told, _ = await post(app, one, **sent)
    assert (status, told["token_type"]) == (200, "DPoP")


async def test_userinfo_takes_it_with_a_proof_for_that_request(here: Place) -> None:
    """ASVS 5.0 10.3.5."""
    app, ada = await here.app(method=NONE), await here.ada()
    one, other = Holder(), Holder()
    token = (await redeem(app, one, await app.code(ada)))[1]["access_token"]

    def proof(holder: Holder, **more: str) -> str:
        return holder.proof("GET", USERINFO, **{"token": token, **more})

    assert (await about(app, f"DPoP {token}", DPoP=proof(one)))[0] == 200
    for field, sent in (
        (f"Bearer {token}", {}),
        (f"Bearer {token}", {"DPoP": proof(one)}),
        (f"DPoP {token}", {}),
        (f"DPoP {token}", {"DPoP": proof(other)}),
        (f"DPoP {token}", {"DPoP": proof(one, token="x")}),
        (f"DPoP {token}", {"DPoP": one.proof("POST", USERINFO, token=token)}),
    ):
        assert (await about(app, field, **sent))[0] == 401, (field[:6], sent)
    used = proof(one)
    assert (await about(app, f"DPoP {token}", DPoP=used))[0] == 200
    status, challenge = await about(app, f"DPoP {token}", DPoP=used)
    assert status == 401
    assert challenge.startswith('DPoP error="invalid_dpop_proof", algs="ES256')
    plain = (await redeem(app, None, await app.code(ada)))[1]["access_token"]
    assert (await about(app, f"Bearer {plain}"))[0] == 200
    assert (await about(app, f"DPoP {plain}", DPoP=one.proof("GET", USERINFO, token=plain)))[
        0
    ] == 401


async def test_a_code_can_be_bound_before_it_is_given(here: Place) -> None:
    app, ada, one = await here.app(method=NONE), await here.ada(), Holder()
    jkt = read(one.proof("POST", TOKEN)).jkt
    for wrong in (Holder(), None):
        status, told, _ = await redeem(app, wrong, await app.code(ada, dpop_jkt=jkt))
        assert (status, told["error"]) == (400, "invalid_grant")
    assert (await redeem(app, one, await app.code(ada, dpop_jkt=jkt)))[0] == 200


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
async def test_a_nonce_is_told_and_taken(tmp_path: Path, sql: Sql, sql_url: str) -> None:
    async with place(tmp_path, sql, sql_url, ", dpop: {nonce: true}") as here:
        app, ada, one = await here.app(method=NONE), await here.ada(), Holder()
        code = await app.code(ada)
        status, told, headers = await redeem(app, one, code)
        assert (status, told["error"]) == (400, "use_dpop_nonce")
        proof = one.proof("POST", TOKEN, nonce=headers["DPoP-Nonce"])
        sent = {
            "grant_type": "authorization_code",
            "client_id": app.client.id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        url = f"{app.root}/auth/token"
        async with here.session.post(url, data=sent, headers={"DPoP": proof}) as answer:
            token = (await answer.json())["access_token"]
        bare = one.proof("GET", USERINFO, token=token)
        status, challenge = await about(app, f"DPoP {token}", DPoP=bare)
        assert status == 401
        assert 'error="use_dpop_nonce"' in challenge
