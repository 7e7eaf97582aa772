"""`POST /introspect` (RFC 7662) and `POST /revoke` (RFC 7009), for access tokens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
from aiohttp import web

from backends.errors import BackendError
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.errors import NO_STORE, OAuthError, answer
from plugins.auth.oauth.parameters import parameters
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.token_endpoint import BUSY

LARGEST = 8192
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
Ending = Callable[[Client, str], Awaitable[web.Response]]


class TokenState:
    """A client learns of tokens of its own alone, and may revoke those alone."""

    def __init__(
        self, issuer: str, audience: str, clients: Clients, keyring: Keyring, revoked: Revoked
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clients = clients
        self._keyring = keyring
        self._revoked = revoked

    async def introspect(self, request: web.Request) -> web.Response:
        return await self._handle(request, self._introspected)

    async def revoke(self, request: web.Request) -> web.Response:
        """200 for a token that is not valid, too (RFC 7009 section 2.2)."""
        return await self._handle(request, self._taken_back)

    async def _handle(self, request: web.Request, ending: Ending) -> web.Response:
        try:
            sent = await parameters(request)
            client = await self._clients.authenticated(request, sent)
            if "token" not in sent:
                raise OAuthError("invalid_request", "token is missing")
            return await ending(client, sent["token"])
        except OAuthError as error:
            return error.response()
        except BackendError:
            return BUSY.response()

    async def _introspected(self, client: Client, token: str) -> web.Response:
        claims = self._claims(client, token)
        if claims is None or self._revoked.has(claims):
            return answer({"active": False})
        return answer({"active": True, "token_type": "Bearer", **claims})

    async def _taken_back(self, client: Client, token: str) -> web.Response:
        claims = self._claims(client, token)
        if claims is not None:
            await self._revoked.add(claims)
        return web.Response(headers=NO_STORE)

    def _claims(self, client: Client, token: str) -> Mapping[str, Any] | None:
        """Of an access token that we signed for this client and that has not expired."""
        if len(token) > LARGEST or not token.isascii():
            return None
        try:
            header = jwt.get_unverified_header(token)
            key = self._keyring.named(str(header.get("kid", "")))
            if key is None or header.get("typ") != "at+jwt" or "crit" in header:
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": REQUIRED},
            )
        except jwt.PyJWTError:
            return None
        mine = claims["client_id"] == client.id and claims["exp"] > time.time()
        return claims if mine else None
