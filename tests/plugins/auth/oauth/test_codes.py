"""Codes for tokens: once, with PKCE, and in one step."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import jwt
import sqlalchemy as sa

from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.tables import events
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.tables import codes
from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.oauth.relying import CALLBACK, ISSUER, VERIFIER, App, Place


async def refused(app: App, token: str) -> None:
    async with asyncio.timeout(5):
        while True:
            if (await app.get("/api", token))[0] == 401:
                return
            await asyncio.sleep(0.05)


async def test_a_code_becomes_tokens_of_the_person(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    told = await app.tokens(ada)
    assert set(told) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "id_token",
    }
    assert told["scope"] == "openid profile email"
    keys = (await app.get("/auth/jwks.json", ""))[1]["keys"]
    key = jwt.PyJWK(keys[0])
    said = jwt.decode(told["id_token"], key, audience=app.client.id, issuer=ISSUER)
    access = jwt.decode(told["access_token"], key, audience=ISSUER, issuer=ISSUER)
    digest = hashlib.sha256(told["access_token"].encode()).digest()[:16]
    assert said["at_hash"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (said["nonce"], said["azp"], said["email"]) == ("n-1", app.client.id, EMAIL)
    assert (said["acr"], said["amr"]) == ("aal1", ["pwd"])
    for name in ("sub", "sid", "auth_time", "acr", "amr"):
        assert said[name] == access[name]
    assert access["client_id"] == app.client.id
    assert (await app.get("/api", told["access_token"]))[0] == 204
    assert (await app.get("/api", told["id_token"]))[0] == 401


async def test_scopes_decide_what_is_given(here: Place) -> None:
    ada, app = await here.ada(), await here.app(grants=["authorization_code"])
    told = await app.tokens(ada, scope="email")
    assert set(told) == {"access_token", "token_type", "expires_in", "scope"}


async def test_a_public_client_and_its_port_of_the_moment(here: Place) -> None:
    uri = "http://127.0.0.1/cb"
    ada, app = await here.ada(), await here.app(method=NONE, redirect_uris=[uri])
    actual = "http://127.0.0.1:51004/cb"
    code = await app.code(ada, redirect_uri=actual)
    assert (await app.redeem(code, redirect_uri=actual))[0] == 200


async def test_what_does_not_fit_the_code_is_refused_and_spends_it(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    for wrong in (
        {"code_verifier": "w" * 43},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": ""},
    ):
        code = await app.code(ada)
        status, told = await app.redeem(code, **wrong)
        assert (status, told["error"]) == (400, "invalid_grant")
        assert (await app.redeem(code))[1]["error"] == "invalid_grant"
    code = await app.code(ada)
    for sent, verifier in ((code, ""), (code, "short"), (code, "ñ" * 43), ("", VERIFIER)):
        status, told = await app.redeem(sent, code_verifier=verifier)
        assert (status, told["error"]) == (400, "invalid_request")
    assert (await app.redeem(code))[0] == 200


async def test_a_code_is_good_for_its_client_alone_and_is_not_spent_by_others(here: Place) -> None:
    ada, app, other = await here.ada(), await here.app(), await here.app()
    code = await app.code(ada)
    assert (await other.redeem(code))[1]["error"] == "invalid_grant"
    assert (await app.redeem(code))[0] == 200


async def test_a_code_is_no_more_after_a_minute(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    code = await app.code(ada)
    async with here.sql.write() as connection:
        row = (await connection.execute(sa.select(codes))).one()
        await connection.execute(codes.update().values(good_until=codes.c.good_until - 60))
    assert row.hash == hashlib.sha256(code.encode()).digest()
    assert (await app.redeem(code))[1]["error"] == "invalid_grant"


async def test_a_code_sent_again_ends_all_that_came_from_it(here: Place) -> None:
    """ASVS 5.0 10.4.2."""
    ada, app = await here.ada(), await here.app()
    code, kept = await app.code(ada), await app.tokens(ada)
    _, told = await app.redeem(code)
    assert (await app.get("/api", told["access_token"]))[0] == 204
    assert (await app.redeem(code, code_verifier="x" * 43))[1]["error"] == "invalid_grant"
    await refused(app, told["access_token"])
    assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await app.get("/api", kept["access_token"]))[0] == 204
    assert (await app.refresh(kept["refresh_token"]))[0] == 200
    async with here.sql.read() as connection:
        query = sa.select(events.c.client_id).where(events.c.event == "code_reused")
        assert (await connection.execute(query)).scalar_one() == app.client.id


async def test_of_twenty_who_redeem_a_code_at_once_one_does(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    code = await app.code(ada)
    answers = await asyncio.gather(*(app.redeem(code) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 19
    won = next(told for status, told in answers if status == 200)
    await refused(app, won["access_token"])


async def test_a_code_is_nothing_once_its_session_or_account_is_gone(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    code = await app.code(ada)
    await ada.submit("/auth/logout")
    assert (await app.redeem(code))[1]["error"] == "invalid_grant"
    await ada.log_in()
    code = await app.code(ada)
    async with here.sql.write() as connection:
        await connection.execute(accounts.update().values(disabled=True))
    assert (await app.redeem(code))[1]["error"] == "invalid_grant"


async def test_access_tokens_end_with_their_session(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    told = await app.tokens(ada, scope="openid offline_access")
    elsewhere = here.browser()
    await elsewhere.log_in()
    other = await app.tokens(elsewhere)
    await ada.submit("/auth/logout")
    await refused(app, told["access_token"])
    assert (await app.get("/auth/userinfo", told["access_token"]))[0] == 401
    assert (await app.get("/api", other["access_token"]))[0] == 204
