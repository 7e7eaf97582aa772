"""Who may call: an admin, by a bearer token with the scope `auth:admin` (RFC 6750)."""

from __future__ import annotations

from aiohttp import web

from backends.sql import Sql
from plugins.auth.accounts.admins import is_admin
from plugins.auth.audit.actor import Actor
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.reading import Reading

SCOPE = "auth:admin"
CHALLENGE = 'Bearer realm="auth"'


class Stopped(Exception):
    """status: 400, 401 or 403. challenge: of WWW-Authenticate."""

    def __init__(self, status: int, detail: str, error: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.challenge = f'{CHALLENGE}, error="{error}"' if error else CHALLENGE
        if error == "insufficient_scope":
            self.challenge += f', scope="{SCOPE}"'


class Gate:
    """A token alone is not enough: each call asks the tables whether its subject still is an
    admin, or a client that has the scope."""

    def __init__(self, reading: Reading, sql: Sql, clients: Clients) -> None:
        self._reading = reading
        self._sql = sql
        self._clients = clients

    async def actor(self, request: web.Request) -> Actor:
        """Raises Stopped and BackendError."""
        claims = self._reading.claims(_bearer(request))
        if claims is None or "cnf" in claims:
            raise Stopped(401, "the token is not valid here", "invalid_token")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise Stopped(403, f"the token lacks the scope {SCOPE}", "insufficient_scope")
        subject, address = str(claims["sub"]), request["exchange"].client_ip
        if subject == claims["client_id"]:
            client = await self._clients.get(subject)
            if client is not None and SCOPE in client.scopes:
                return Actor(f"client:{subject}", address)
        elif await is_admin(self._sql, subject):
            return Actor(f"account:{subject}", address)
        raise Stopped(403, "only an admin may do that", "insufficient_scope")


def _bearer(request: web.Request) -> str:
    """Only in the field (RFC 6750 section 2.1): never in a URL. Raises Stopped."""
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1:
        raise Stopped(400, "more than one Authorization field", "invalid_request")
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Stopped(401, "a bearer token is required")
    return token.strip()
