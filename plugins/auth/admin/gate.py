"""Who may call: an admin, by a token with the scope `auth:admin` (RFC 6750, RFC 9449)."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from backends.sql import Sql
from plugins.auth.accounts.admins import is_admin
from plugins.auth.audit.actor import Actor
from plugins.auth.oauth.bearer import Bearer, TokenError
from plugins.auth.oauth.clients import Clients

SCOPE = "auth:admin"


class Gate:
    """A token alone is not enough: each call asks the tables whether its subject still is an
    admin, or a client that has the scope. audiences: whom tokens are for that are for us; an API
    that was sent one of its own gains nothing here by it (ASVS 5.0 9.2.3)."""

    def __init__(
        self, bearer: Bearer, sql: Sql, clients: Clients, audiences: Iterable[str]
    ) -> None:
        self._audiences = frozenset(audiences)
        self._bearer = bearer
        self._sql = sql
        self._clients = clients

    async def actor(self, request: web.Request) -> Actor:
        """Raises TokenError and BackendError."""
        claims = await self._bearer.claims(request, SCOPE)
        meant = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if self._audiences.isdisjoint(meant):
            raise TokenError("invalid_token", "the token is for another audience", 401)
        subject, address = str(claims["sub"]), request["exchange"].client_ip
        if subject == claims["client_id"]:
            client = await self._clients.get(subject)
            if client is not None and SCOPE in client.scopes:
                return Actor(f"client:{subject}", address)
        elif await is_admin(self._sql, subject):
            return Actor(f"account:{subject}", address)
        raise TokenError("insufficient_scope", "only an admin may do that", 403)
