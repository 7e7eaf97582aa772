"""A token that comes with a request to us (RFC 6750)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.reading import Reading

Proof = Callable[[web.Request, str, str, Mapping[str, Any]], Awaitable[bool]]
"""Given the request, its scheme in small letters, the token and its claims. Raises OAuthError."""


class TokenError(OAuthError):
    """code: of RFC 6750 section 3.1; empty when no token was sent."""

    @property
    def challenge(self) -> str:
        words = ['Bearer realm="auth"']
        if self.code:
            words += [f'error="{self.code}"', f'error_description="{self.description}"']
        return ", ".join(words)

    def response(self) -> web.Response:
        headers = {**self.fields(), "Cache-Control": "no-store"}
        return web.Response(status=self.status, headers=headers)

    def fields(self) -> dict[str, str]:
        """Those that go with the answer, however it looks."""
        return {**self.headers, "WWW-Authenticate": self.challenge}


class Bearer:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.proved: Proof = _not_bound
        """Whether a token comes as it must: a bound one (`cnf`) is no bearer's."""

    async def claims(self, request: web.Request, scope: str) -> Mapping[str, Any]:
        """Of the good token in the Authorization field. Raises TokenError."""
        fields = request.headers.getall("Authorization", [])
        if not fields:
            raise TokenError("", "a token is missing", 401)
        scheme, _, rest = fields[0].partition(" ")
        token = rest.strip()
        if len(fields) > 1 or "access_token" in request.query:
            raise TokenError("invalid_request", "a token comes in one Authorization field", 400)
        claims = await self._reading.claims(token)
        if claims is None or not await self.proved(request, scheme.lower(), token, claims):
            raise TokenError("invalid_token", "the token is not good, or no longer", 401)
        if scope not in str(claims.get("scope", "")).split():
            raise TokenError("insufficient_scope", f"the token lacks the scope {scope}", 403)
        return claims


async def _not_bound(
    _request: web.Request, scheme: str, _token: str, claims: Mapping[str, Any]
) -> bool:
    return scheme == "bearer" and "cnf" not in claims
