"""`POST /introspect` (RFC 7662) and `POST /revoke` (RFC 7009), for access tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.errors import NO_STORE, OAuthError, answer, invalid_client
from plugins.auth.oauth.parameters import parameters
from plugins.auth.oauth.reading import Reading
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.token_endpoint import BUSY

Ending = Callable[[Client, str], Awaitable[web.Response]]


class TokenState:
    """A client learns of tokens of its own alone, unless it is an introspector, and may revoke
    its own alone."""

    def __init__(self, clients: Clients, reading: Reading, revoked: Revoked) -> None:
        self._clients = clients
        self._reading = reading
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
        if client.public:  # RFC 7662 section 2.1 asks for authentication
            raise invalid_client()
        claims = self._reading.claims(token)
        if claims is None or not (client.introspector or claims["client_id"] == client.id):
            return answer({"active": False})
        kind = "DPoP" if "jkt" in claims.get("cnf", {}) else "Bearer"
        return answer({"active": True, "token_type": kind, **claims})

    async def _taken_back(self, client: Client, token: str) -> web.Response:
        claims = self._reading.claims(token)
        if claims is not None and claims["client_id"] == client.id:
            await self._revoked.add(claims)
        return web.Response(headers=NO_STORE)
