"""A client that authenticates by its key, at every endpoint where clients do."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import ASSERTION, BASIC, NONE, POST
from plugins.auth.oauth.clients import CODE, CREDENTIALS, DEVICE
from tests.gateway.jose.signing import Issuer, serving
from tests.plugins.auth.assertions.asserting import Asserting
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import CALLBACK, ISSUER, App, Place, place

__all__ = ["here"]
HOLDER = Asserting()
GRANT = {"grant_type": "client_credentials"}
NEEDED = {
    "token": GRANT,
    "introspect": {"token": "x"},
    "revoke": {"token": "x"},
    "device_authorization": {},
    "par": {},
}


@pytest.fixture
def sql_url(sqlite_url: str) -> str:
    return sqlite_url


async def app_of(here: Place, holder: Asserting = HOLDER, **more: Any) -> App:
    registered = {"grants": [CODE, CREDENTIALS, DEVICE], "scopes": ["openid"], **more}
    return await here.app(**{**holder.registered(), **registered})


async def send(
    app: App, path: str, sent: dict[str, str], headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    url = f"{app.root}/auth/{path}"
    async with app.place.session.post(url, data=sent, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


def needed(app: App, path: str) -> dict[str, str]:
    pushed = app.wishes(scope="openid")
    pushed.pop("client_id")
    return pushed if path == "par" else NEEDED[path]


async def test_it_is_known_wherever_clients_say_who_they_are(here: Place) -> None:
    app = await app_of(here)
    assert app.secret == ""
    for path in NEEDED:
        sent = {**needed(app, path), **HOLDER.proving(app.client.id)}
        status, told = await send(app, path, sent)
        assert status in {200, 201}, (path, told)
        status, told = await send(app, path, sent)
        assert (status, told["error"]) == (401, "invalid_client"), path
        both = {**needed(app, path), **HOLDER.proving(app.client.id), "client_id": app.client.id}
        assert (await send(app, path, both))[0] in {200, 201}, path
        status, told = await send(app, path, {**needed(app, path), "client_id": app.client.id})
        assert (status, told["error"]) == (401, "invalid_client"), path
    spent = HOLDER.proving(app.client.id)
    assert (await send(app, "token", {**GRANT, **spent}))[0] == 200
    assert (await send(app, "revoke", {"token": "x", **spent}))[0] == 401


async def test_anything_beside_an_assertion_is_refused(here: Place) -> None:
    app, client = await app_of(here), (await app_of(here)).client.id
    secret = await here.app(method=POST, grants=[CODE, CREDENTIALS])
    basic = {"Authorization": aiohttp.encode_basic_auth(app.client.id, "x")}

    async def refused(sent: dict[str, str], headers: dict[str, str] | None = None) -> None:
        status, told = await send(app, "token", {**GRANT, **sent}, headers)
        expected = {
            "error": "invalid_client",
            "error_description": "the client is not authenticated",
        }
        assert (status, told) == (401, expected), sent

    good = HOLDER.proving(app.client.id)
    await refused({**good, "client_secret": "x"})
    await refused(good, basic)
    await refused(good, {"Authorization": "Bearer x"})
    await refused({**good, "client_id": client})
    await refused({"client_assertion": good["client_assertion"]})
    await refused({"client_assertion_type": ASSERTION, "client_id": app.client.id})
    await refused({**good, "client_assertion_type": ASSERTION.replace("jwt", "saml2")})
    await refused(HOLDER.proving("0" * 32))
    await refused(HOLDER.proving("\0"))
    await refused(HOLDER.proving(secret.client.id))
    await refused({"client_id": app.client.id, "client_secret": good["client_assertion"]})
    await refused({"client_assertion_type": ASSERTION, "client_assertion": "x" * 60000})
    status, told = await send(app, "token", {**GRANT, **good})
    assert (status, told["token_type"]) == (200, "Bearer")
    pairs = aiohttp.FormData([*GRANT.items(), *good.items(), *good.items()])
    async with here.session.post(f"{app.root}/auth/token", data=pairs) as answer:
        assert (await answer.json())["error"] == "invalid_request"


@pytest.mark.parametrize("method", [BASIC, POST, NONE])
async def test_a_client_of_another_method_is_not_known_by_a_key_it_publishes(
    here: Place, method: str
) -> None:
    grants = [DEVICE] if method == NONE else [CREDENTIALS]
    keys = {"jwks": HOLDER.jwks}
    app = await here.app(method=method, grants=grants, metadata=keys, redirect_uris=[])
    status, told = await send(app, "token", {**GRANT, **HOLDER.proving(app.client.id)})
    assert (status, told["error"]) == (401, "invalid_client")


async def test_of_many_who_send_the_same_one_is_answered(here: Place) -> None:
    app = await app_of(here)
    sent = {**GRANT, **HOLDER.proving(app.client.id)}
    found = await asyncio.gather(*(send(app, "token", sent) for _ in range(10)))
    assert sorted([status for status, _ in found]) == [200] + [401] * 9


async def test_people_log_in_to_it_and_its_keys_come_from_where_it_says(
    tmp_path: Path, sql: Sql, sql_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    published = Issuer()
    published.document = HOLDER.jwks
    async with serving(published), place(tmp_path, sql, sql_url) as here:
        metadata = {"jwks_uri": f"{published.url}/keys", "token_endpoint_auth_signing_alg": "ES256"}
        app = await app_of(here, metadata=metadata, grants=[CODE])
        code = await app.code(await here.ada(), scope="openid")
        redeeming = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": "v" * 43,
        }
        wrong = HOLDER.proving(app.client.id, aud=f"{ISSUER}/token")
        status, told = await send(app, "token", {**redeeming, **wrong})
        assert (status, told["error"]) == (401, "invalid_client")
        assert told["error_description"] == "the assertion's aud is the issuer, and nothing else"
        right = HOLDER.proving(app.client.id)
        status, told = await send(app, "token", {**redeeming, **right})
        assert status == 200
        assert told["id_token"]
        assert published.fetches == 1
    written = "".join(capfd.readouterr())
    for sent in (wrong, right):
        signature = sent["client_assertion"].rpartition(".")[2]
        assert signature not in written
        assert base64.urlsafe_b64decode(signature + "==").hex() not in written
