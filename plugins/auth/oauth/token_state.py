"""`POST /introspect` (RFC 7662) and `POST /revoke` (RFC 7009)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.audit.log import record
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.errors import NO_STORE, OAuthError, answer, invalid_client
from plugins.auth.oauth.grants import Grants
from plugins.auth.oauth.parameters import parameters
from plugins.auth.oauth.reading import Reading
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import grants
from plugins.auth.oauth.token_endpoint import busy

Answered = Callable[[Client, str], Awaitable[web.Response]]


class TokenState:
    """A client learns of tokens of its own alone, unless it is an introspector, and may revoke
    its own alone."""

    def __init__(
        self,
        *,
        sql: Sql,
        clients: Clients,
        reading: Reading,
        revoked: Revoked,
        grants: Grants,
        ending: Ending,
    ) -> None:
        self._sql = sql
        self._grants = grants
        self._ending = ending
        self._clients = clients
        self._reading = reading
        self._revoked = revoked

    async def introspect(self, request: web.Request) -> web.Response:
        return await self._handle(request, self._introspected)

    async def revoke(self, request: web.Request) -> web.Response:
        """200 for a token that is not valid, too (RFC 7009 section 2.2)."""
        return await self._handle(request, self._taken_back)

    async def _handle(self, request: web.Request, answered: Answered) -> web.Response:
        try:
            sent = await parameters(request)
            client = await self._clients.authenticated(request, sent)
            if "token" not in sent:
                raise OAuthError("invalid_request", "token is missing")
            return await answered(client, sent["token"])
        except OAuthError as error:
            return error.response()
        except BackendError as error:
            return busy(error)

    async def _introspected(self, client: Client, token: str) -> web.Response:
        if client.public:  # RFC 7662 section 2.1 asks for authentication
            raise invalid_client()
        if (row := await self._grants.look(token)) is not None:
            return answer(_refreshing(row) if row.client_id == client.id else {"active": False})
        claims = await self._reading.claims(token)
        if claims is None or not (client.introspector or claims["client_id"] == client.id):
            return answer({"active": False})
        kind = "DPoP" if "jkt" in claims.get("cnf", {}) else "Bearer"
        return answer({"active": True, "token_type": kind, **claims})

    async def _taken_back(self, client: Client, token: str) -> web.Response:
        """With a refresh token goes all that was made from it (RFC 7009 section 2.1)."""
        if (row := await self._grants.look(token)) is not None:
            if row.client_id == client.id:
                await self._end(row)
            return web.Response(headers=NO_STORE)
        claims = await self._reading.claims(token)
        if claims is not None and claims["client_id"] == client.id:
            await self._revoked.add(claims)
        return web.Response(headers=NO_STORE)

    async def _end(self, row: Any) -> None:
        async with self._sql.write() as connection:
            if await self._ending.grants(connection, grants.c.id == row.id):
                await record(
                    connection, "grant_revoked", account=row.account_id, client=row.client_id
                )


def _refreshing(row: Any) -> dict[str, Any]:
    """No `token_type`: that is of access tokens (RFC 7662 section 2.2)."""
    told = {
        "active": True,
        "client_id": row.client_id,
        "sub": row.account_id,
        "scope": row.scopes,
        "iat": row.rotated_at,
        "exp": row.expires_at,
    }
    return {**told, "cnf": {"jkt": row.jkt}} if row.jkt else told
