"""OWASP ASVS 5.0, chapter V10, what an authorization server does; test_asvs_index.py finds all."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import pyotp
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.tables import scopes
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import PASSWORD
from plugins.auth.oauth.codes import LASTS
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.tables import grants
from tests.plugins.auth.assertions.asserting import Asserting
from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.oauth.relying import CALLBACK, VERIFIER, Place, place
from tests.plugins.auth.people import PASSWORD as SECRET


@pytest.fixture
def sql_url(sqlite_url: str) -> str:
    return sqlite_url


async def test_6_3_3_everybody_has_a_second_factor_where_that_is_asked(
    tmp_path: Path, sql: Sql, sql_url: str
) -> None:
    async with place(tmp_path, sql, sql_url, ", accounts: {second_factor: true}") as here:
        ada, app = here.browser(), await here.app()
        await ada.register()
        await ada.log_in()
        for path in ("/account", "/account/password", "/account/keys/new", "/account/apps"):
            shown = await ada.get(f"/auth{path}")
            assert (urlsplit(shown.url).path, shown.status) == ("/auth/login/factor", 200)
        shown = await ada.get("/auth/device")
        assert urlsplit(shown.url).path == "/auth/login/factor"
        assert (await app.told(ada, prompt="none"))["error"] == "login_required"
        asked = await app.shown(ada)
        assert "A second factor is needed" in asked.text
        grants: Any = {"redirect_uris": [], "grants": [PASSWORD]}
        sent = {"grant_type": PASSWORD, "username": EMAIL, "password": SECRET}
        _, told = await (await here.app(**grants)).post("token", sent)
        assert told["error_description"].startswith("mfa_required")
        form = await ada.get("/auth/account/totp")
        found = re.search(r'id="secret">(\w+)<', form.text)
        assert found is not None
        code = pyotp.TOTP(found[1]).at(int(time.time()) - 30)
        await ada.post("/auth/account/totp", {**form.hidden(), "code": code})
        assert urlsplit((await ada.get("/auth/account/apps")).url).path == "/auth/account/apps"
        assert "id_token" in await app.tokens(ada)


async def test_10_3_1_to_4_a_token_says_whom_it_is_for_and_who_did_what(here: Place) -> None:
    ada = await here.ada()
    app = await here.app(audience="https://api.example.org")
    token = (await app.tokens(ada))["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == "https://api.example.org"
    assert claims.keys() >= {"iss", "sub", "client_id", "scope", "acr", "amr", "auth_time"}
    assert (await app.get("/api", token))[0] == 401


async def test_10_4_3_a_code_lives_a_minute() -> None:
    assert LASTS <= 60


async def test_10_4_4_a_client_has_the_grants_it_is_registered_for(here: Place) -> None:
    ada, app = await here.ada(), await here.app(grants=["authorization_code"])
    assert "refresh_token" not in await app.tokens(ada)
    for grant in ("client_credentials", "refresh_token"):
        _, told = await app.post("token", {"grant_type": grant})
        assert told["error"] == "unauthorized_client"
    assert (await app.told(ada, response_type="token"))["error"] == "unsupported_response_type"
    machine, _ = await here.clients.create("machine")
    assert (await app.shown(ada, client_id=machine.id)).status == 400


async def test_10_4_6_there_is_no_code_without_pkce(here: Place) -> None:
    ada = await here.ada()
    for method in ({}, {"method": NONE}):
        app = await here.app(**method)
        for wrong in ({"code_challenge": ""}, {"code_challenge_method": "plain"}):
            assert (await app.told(ada, **wrong))["error"] == "invalid_request"


async def test_10_4_8_a_refresh_token_ends_in_any_case(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada))["refresh_token"]
    for _ in range(2):
        token = (await app.refresh(token))[1]["refresh_token"]
    async with here.sql.read() as connection:
        row = (await connection.execute(sa.select(grants))).one()
    assert row.ends_at == row.created_at + TokenOptions().refresh_absolute


async def test_10_4_10_a_client_with_a_secret_proves_it_each_time(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    code = await app.code(ada)
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
        "client_id": app.client.id,
        "token": "x",
    }
    async with aiohttp.ClientSession() as session:
        for path in ("token", "revoke", "introspect"):
            async with session.post(f"{app.root}/auth/{path}", data=sent) as answer:
                assert (answer.status, (await answer.json())["error"]) == (401, "invalid_client")
    assert (await app.redeem(code))[0] == 200


async def test_10_4_11_a_client_has_the_scopes_it_is_registered_for(here: Place) -> None:
    ada, app = await here.ada(), await here.app(scopes=["openid"])
    assert (await app.told(ada, scope="openid email"))["error"] == "invalid_scope"


async def test_10_4_12_and_6_1_a_code_comes_as_a_query_or_a_form_alone(here: Place) -> None:
    """ASVS 5.0 10.6.1."""
    ada, app = await here.ada(), await here.app()
    for wrong, error in (
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
    ):
        assert (await app.told(ada, **wrong))["error"] == error


async def test_10_4_16_a_client_may_have_a_key_instead_of_a_secret(here: Place) -> None:
    """Nothing that is sent, or kept here, lets anybody else be the client."""
    holder = Asserting()
    app = await here.app(redirect_uris=[], grants=["client_credentials"], **holder.registered())
    grant, url = {"grant_type": "client_credentials"}, f"{app.root}/auth/token"
    sent = {**grant, **holder.proving(app.client.id)}
    as_secret = {**grant, "client_id": app.client.id, "client_secret": sent["client_assertion"]}
    for form, status in ((sent, 200), (sent, 401), (as_secret, 401)):
        async with here.session.post(url, data=form) as answer:
            assert answer.status == status
    _, said, _ = await app.get("/auth/.well-known/openid-configuration", "")
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]


async def test_10_7_1_and_2_a_person_agrees_and_knows_to_what(here: Place) -> None:
    """ASVS 5.0 10.7.2."""
    ada, app = await here.ada(), await here.app(first_party=False, scopes=["openid", "orders"])
    text = (await app.shown(ada, scope="openid orders")).text
    for words in (
        "Shop",
        "app.example.org",
        "use the permission <code>orders",
        "until you log out",
    ):
        assert words in text
    row = {"name": "orders", "description": "see <your> orders", "permissions": ""}
    async with here.sql.write() as connection:
        await connection.execute(scopes.insert().values(**row, created_at=0, updated_at=0))
    text = (await app.shown(ada, scope="openid orders")).text
    assert "<li>see &lt;your&gt; orders</li>" in text
