"""client_credentials through a real gateway, and the jwt middleware that believes its tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import POST
from plugins.auth.oauth.clients import Clients
from tests.gateway.serving import serving

ISSUER = "http://localhost/auth"
CONFIG = """
backends: {{sql: "{sql}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost/auth"}}
middlewares:
  guard:
    use: jwt
    issuer: "http://localhost/auth"
    audience: ["http://localhost/auth"]
    algorithms: [ES256]
    scopes: [read]
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
  - {{id: known, match: {{path: /.well-known/oauth-authorization-server/auth}}, plugin: auth}}
  - {{id: api, match: {{path: /api}}, middlewares: [guard], respond: {{status: 204}}}}
"""


class Asker:
    """One client of each method of authentication, before a gateway."""

    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self.session = session
        self.root = root
        self.basic = ("", "")
        self.post = ("", "")

    async def token(self, *pairs: tuple[str, str], **headers: str) -> tuple[int, Any, Any]:
        form = aiohttp.FormData(list(pairs) or [("grant_type", "client_credentials")])
        url = self.root + "/auth/token"
        async with self.session.post(url, data=form, headers=headers) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json(), answer.headers

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.root + path, headers=headers) as answer:
            return answer.status, await answer.text()


def basic(pair: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


@pytest.fixture
async def asker(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Asker]:
    known = Clients(sql)
    async with (
        serving(tmp_path, CONFIG.format(sql=sql_url)) as served,
        aiohttp.ClientSession() as session,
    ):
        made = Asker(session, f"http://127.0.0.1:{served.port}")
        first, secret = await known.create("reports", ["read", "write"])
        made.basic = (first.id, secret)
        second, secret = await known.create("posting", ["read"], POST)
        made.post = (second.id, secret)
        yield made


GRANT = ("grant_type", "client_credentials")


async def test_a_token_is_of_rfc_9068_and_passes_the_gateway(asker: Asker) -> None:
    status, told, _ = await asker.token(Authorization=basic(asker.basic))
    assert status == 200
    assert {name: told[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "read write",
    }
    keys = json.loads((await asker.get("/auth/jwks.json"))[1])["keys"]
    token = told["access_token"]
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = jwt.decode(
        token, jwt.PyJWK(keys[0]), algorithms=["ES256"], audience=ISSUER, issuer=ISSUER
    )
    assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
    assert claims["sub"] == claims["client_id"] == asker.basic[0]
    assert claims["exp"] - claims["iat"] == 900
    assert (await asker.get("/api", Authorization=f"Bearer {token}"))[0] == 204
    assert (await asker.get("/api", Authorization=f"Bearer {token[:-6]}AAAAAA"))[0] == 401


async def test_the_scope_asked_for_is_what_it_gets_or_nothing(asker: Asker) -> None:
    who = basic(asker.basic)
    _, told, _ = await asker.token(GRANT, ("scope", "write"), Authorization=who)
    assert told["scope"] == "write"
    bearer = f"Bearer {told['access_token']}"
    assert (await asker.get("/api", Authorization=bearer))[0] == 403
    status, told, _ = await asker.token(GRANT, ("scope", "read admin"), Authorization=who)
    assert (status, told["error"]) == (400, "invalid_scope")


async def test_each_client_authenticates_in_the_way_it_is_registered_with(asker: Asker) -> None:
    client_id, secret = asker.post
    pairs = GRANT, ("client_id", client_id), ("client_secret", secret)
    assert (await asker.token(*pairs))[0] == 200
    assert (await asker.token(Authorization=basic(asker.post)))[1]["error"] == "invalid_client"
    client_id, secret = asker.basic
    pairs = GRANT, ("client_id", client_id), ("client_secret", secret)
    assert (await asker.token(*pairs))[1]["error"] == "invalid_client"


async def test_who_is_not_authenticated_is_told_no_more(asker: Asker) -> None:
    client_id, secret = asker.basic
    wrong = [
        basic((client_id, secret[:-1] + "~")),
        basic(("0" * 32, secret)),
        basic(("\0", "\0")),
        f"Bearer {secret}",
        "Basic %%%",
        "",
    ]
    expected = {
        "error": "invalid_client",
        "error_description": "the client is not authenticated",
    }
    for field in wrong:
        headers = {"Authorization": field} if field else {}
        status, told, answered = await asker.token(**headers)
        assert (status, told) == (401, expected), field
        assert answered["WWW-Authenticate"].startswith("Basic ")


WRONG = [
    ([GRANT, GRANT], "invalid_request"),
    ([GRANT, ("scope", "read"), ("scope", "read")], "invalid_request"),
    ([("scope", "read")], "invalid_request"),
    ([("grant_type", "")], "invalid_request"),
    ([GRANT, ("client_secret", "x")], "invalid_request"),
    ([GRANT, ("client_id", "0" * 32)], "invalid_request"),
    ([GRANT, ("scope", "a\0b")], "invalid_request"),
    ([("grant_type", "implicit")], "unsupported_grant_type"),
    ([("grant_type", "password")], "unauthorized_client"),
    ([("grant_type", "authorization_code"), ("code", "x")], "unauthorized_client"),
    ([GRANT, ("scope", "read  write")], "invalid_scope"),
    ([GRANT, ("resource", "https://other.example")], "invalid_target"),
]


async def test_errors_are_of_the_rfc(asker: Asker) -> None:
    for pairs, error in WRONG:
        status, told, _ = await asker.token(*pairs, Authorization=basic(asker.basic))
        assert (status, told["error"]) == (400, error), pairs


async def test_other_bodies_and_methods_are_refused(asker: Asker) -> None:
    url, who = asker.root + "/auth/token", {"Authorization": basic(asker.basic)}
    async with asker.session.post(url, json={"grant_type": "client_credentials"}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")
    form = {"grant_type": "x" * 70000}
    async with asker.session.post(url, data=form, headers=who) as answer:
        assert (answer.status, (await answer.json())["error"]) == (413, "invalid_request")
    assert (await asker.get("/auth/token?grant_type=client_credentials"))[0] == 405
