"""Clients that register themselves, and look after it, through a real gateway."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import jwt
import pytest

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.audit.actor import COMMAND
from plugins.auth.oauth.authentication import PRIVATE_KEY_JWT
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import PASSWORD
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.registration import tokens as settings
from plugins.auth.registration.metadata import read
from plugins.auth.registration.tokens import RegistrationTokens
from tests.plugins.auth.assertions.asserting import Asserting
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import ISSUER, App, Place
from tests.plugins.auth.people import Clock
from tests.plugins.auth.registration.test_members import RULES

__all__ = ["here"]
KINDS = ("id", "access")
SHOP = {
    "client_name": "Shop",
    "redirect_uris": ["https://shop.example/cb"],
    "post_logout_redirect_uris": ["https://shop.example/bye"],
    "grant_types": ["authorization_code", "refresh_token"],
    "contacts": ["ops@shop.example"],
    "of_somebody_else": 1,
}


async def send(
    here: Place, method: str, path: str, token: str, body: Any = None
) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{here.port}{path}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with here.session.request(method, url, json=body, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else answer.headers


async def register(here: Place, sql: Sql, **more: Any) -> tuple[int, Any]:
    token = await RegistrationTokens(sql).initial(["read"])
    return await send(here, "POST", "/auth/clients", token, {**SHOP, **more})


async def test_a_client_registers_and_people_log_in_to_it(here: Place, sql: Sql) -> None:
    status, told = await register(here, sql)
    assert status == 201
    assert told["client_secret_expires_at"] == 0
    for name in ("client_name", "redirect_uris", "post_logout_redirect_uris", "contacts"):
        assert told[name] == SHOP[name]
    assert "of_somebody_else" not in told
    client = await here.clients.get(told["client_id"])
    assert client is not None
    assert not client.first_party
    app, ada = App(here, client, told["client_secret"]), await here.ada()
    shown = await app.shown(ada)
    assert "Shop" in shown.text
    _, described = await send(here, "GET", "/auth/.well-known/openid-configuration", "")
    assert described["registration_endpoint"] == "http://localhost/auth/clients"
    assert told["id_token_signed_response_alg"] == "ES256"


async def test_a_client_has_its_id_tokens_signed_by_rs256_if_it_asks(here: Place, sql: Sql) -> None:
    wish = {"id_token_signed_response_alg": "RS256"}
    status, told = await register(here, sql, **wish)
    assert (status, told["id_token_signed_response_alg"]) == (201, "RS256")
    app = await here.app(metadata=wish)
    tokens = await app.tokens(await here.ada())
    algorithms = [jwt.get_unverified_header(tokens[f"{kind}_token"])["alg"] for kind in KINDS]
    assert algorithms == ["RS256", "ES256"]
    _, found = await send(here, "GET", "/auth/jwks.json", "")
    keys = {key["kid"]: jwt.PyJWK(key) for key in found["keys"]}
    key = keys[jwt.get_unverified_header(tokens["id_token"])["kid"]]
    assert jwt.decode(tokens["id_token"], key, audience=app.client.id)["iss"] == ISSUER


async def test_it_looks_after_its_registration(here: Place, sql: Sql) -> None:
    _, told = await register(here, sql)
    place = told["registration_client_uri"].removeprefix("http://localhost")
    token, client_id = told["registration_access_token"], told["client_id"]
    status, found = await send(here, "GET", place, token)
    assert (status, found["client_id"]) == (200, client_id)
    assert "client_secret" not in found
    body = {**SHOP, "client_id": client_id, "client_name": "Store", "contacts": None}
    status, found = await send(here, "PUT", place, token, body)
    assert (status, found["client_name"]) == (200, "Store")
    assert "contacts" not in found
    for wrong in (
        {"client_id": "0" * 32},
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "none"},
        {"redirect_uris": ["http://evil.example/"]},
    ):
        assert (await send(here, "PUT", place, token, {**body, **wrong}))[0] == 400
    right = {**body, "client_secret": told["client_secret"]}
    assert (await send(here, "PUT", place, token, right))[0] == 200
    _, other = await register(here, sql)
    for method in ("GET", "PUT", "DELETE"):
        status, headers = await send(here, method, place, other["registration_access_token"], body)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Bearer")
    assert (await send(here, "DELETE", place, token))[0] == 204
    assert (await send(here, "GET", place, token))[0] == 401
    assert await here.clients.get(client_id) is None


WRONG = [
    ({"redirect_uris": ["http://shop.example/cb"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://shop.example/cb#x"]}, "invalid_redirect_uri"),
    ({"post_logout_redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": []}, "invalid_client_metadata"),
    ({"redirect_uris": "https://shop.example/cb"}, "invalid_client_metadata"),
    ({"grant_types": [PASSWORD]}, "invalid_client_metadata"),
    ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
    ({"grant_types": ['\u00e9"\\']}, "invalid_client_metadata"),
    ({"response_types": ["token"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    ({"jwks": {"keys": []}, "jwks_uri": "https://shop.example/"}, "invalid_client_metadata"),
    ({"jwks": {"keys": [{"kty": "oct", "k": "x" * 43}]}}, "invalid_client_metadata"),
    ({"jwks_uri": "http://10.0.0.1/keys"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_signing_alg": "none"}, "invalid_client_metadata"),
    ({"scope": "openid auth:admin"}, "invalid_client_metadata"),
    ({"id_token_signed_response_alg": "HS256"}, "invalid_client_metadata"),
    ({"client_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    ({"client_name": "x" * 201}, "invalid_client_metadata"),
    ({"client_name": "x\0"}, "invalid_client_metadata"),
    ({"client_name": "elgooG\u202e"}, "invalid_client_metadata"),
    ({"software_id": "x" * 2001}, "invalid_client_metadata"),
    ({"backchannel_logout_uri": "http://10.0.0.1/"}, "invalid_client_metadata"),
]


async def test_what_is_not_in_order_is_refused_and_costs_no_use(here: Place, sql: Sql) -> None:
    """ASVS 5.0 10.4.7."""
    settings_before, settings.USES = settings.USES, 1
    try:
        token = await RegistrationTokens(sql).initial([])
    finally:
        settings.USES = settings_before
    for more, error in WRONG:
        status, told = await send(here, "POST", "/auth/clients", token, {**SHOP, **more})
        assert (status, told["error"]) == (400, error), more
        assert re.fullmatch(r"[ !#-\[\]-~]+", told["error_description"]), told
    assert (await send(here, "POST", "/auth/clients", token, [1]))[0] == 400
    for bad in ("", "x"):
        assert (await send(here, "POST", "/auth/clients", bad, SHOP))[0] == 401
    calls = [send(here, "POST", "/auth/clients", token, SHOP) for _ in range(5)]
    statuses = sorted([status for status, _ in await asyncio.gather(*calls)])
    assert statuses == [201, 401, 401, 401, 401]


async def test_metadata_that_is_nested_for_ever_is_refused() -> None:
    with pytest.raises(OAuthError, match="expected a JSON object"):
        await read(b'{"x":' * 5000, "0" * 32, (), RULES)


async def test_public_clients_have_no_secret(here: Place, sql: Sql) -> None:
    status, told = await register(here, sql, token_endpoint_auth_method="none")
    assert status == 201
    assert "client_secret" not in told


async def test_a_client_with_keys_has_no_secret_and_stays_with_keys(here: Place, sql: Sql) -> None:
    holder = Asserting()
    keys = {"token_endpoint_auth_method": PRIVATE_KEY_JWT, "jwks": holder.jwks}
    status, told = await register(here, sql, **keys)
    assert (status, told["jwks"]) == (201, holder.jwks)
    assert "client_secret" not in told
    form = {"token": "x", **holder.proving(told["client_id"])}
    url = f"http://127.0.0.1:{here.port}/auth/introspect"
    async with here.session.post(url, data=form) as answer:
        assert (answer.status, await answer.json()) == (200, {"active": False})
    place = told["registration_client_uri"].removeprefix("http://localhost")
    token, body = told["registration_access_token"], {**SHOP, "client_id": told["client_id"]}
    for method in ("client_secret_basic", "none"):
        other = {**body, "token_endpoint_auth_method": method}
        assert (await send(here, "PUT", place, token, other))[0] == 400
    published = {**body, **keys, "jwks": None, "jwks_uri": "https://shop.example/keys"}
    status, told = await send(here, "PUT", place, token, published)
    assert (status, told["jwks_uri"], "jwks" in told) == (200, "https://shop.example/keys", False)
    _, secret = await register(here, sql)
    place = secret["registration_client_uri"].removeprefix("http://localhost")
    body = {**SHOP, **keys, "client_id": secret["client_id"]}
    assert (await send(here, "PUT", place, secret["registration_access_token"], body))[0] == 400


async def test_initial_access_tokens_last_a_week(sql: Sql) -> None:
    clock = Clock()
    known = RegistrationTokens(sql, clock)
    token = await known.initial(["read", "write"])
    assert await known.look(token) == ("read", "write")
    clock.ahead = 7 * 86400 + 1
    assert await known.look(token) is None


async def test_what_an_operator_alone_says_of_a_client_stays(here: Place, sql: Sql) -> None:
    _, told = await register(here, sql)
    client_id, acme = told["client_id"], {"organisation": "a" * 32}
    changes = ClientChanges(sql, here.clients, Ending(Revoked(sql, Subscribers(), 900)))
    ours = {"audience": "https://api.example", "introspector": True}
    await changes.update(client_id, ours, COMMAND, members=acme)
    place = told["registration_client_uri"].removeprefix("http://localhost")
    body = {"client_id": client_id, "redirect_uris": SHOP["redirect_uris"]}
    status, found = await send(here, "PUT", place, told["registration_access_token"], body)
    assert (status, found["organisation"]) == (200, "a" * 32)
    changed, _ = await changes.get(client_id) or (None, 0)
    assert changed is not None
    assert (changed.audience, changed.introspector) == ("https://api.example", True)
    assert changed.metadata == acme
