"""The routes of OAuth 2."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.discovery import metadata
from plugins.auth.oauth.errors import answer
from plugins.auth.oauth.token_endpoint import TokenEndpoint
from plugins.auth.oauth.token_state import TokenState

WELL_KNOWN = "/.well-known/oauth-authorization-server"
PUBLIC = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}


class Endpoints:
    """The metadata is under the issuer, and where RFC 8414 section 3.1 looks for it: that path
    holds the issuer's own at its end."""

    def __init__(
        self, issuer: str, keyring: Keyring, token: TokenEndpoint, state: TokenState
    ) -> None:
        self._keyring = keyring
        self._token = token
        self._state = state
        self._path = urlsplit(issuer).path
        self.metadata = metadata(issuer, token.grants)
        """What the metadata says; a room adds what it serves."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        places = dict.fromkeys([WELL_KNOWN, WELL_KNOWN + self._path])
        return [
            web.get("/jwks.json", self._jwks),
            web.post("/token", self._token.handle),
            web.post("/introspect", self._state.introspect),
            web.post("/revoke", self._state.revoke),
            *(web.get(place, self._described) for place in places),
        ]

    async def _jwks(self, request: web.Request) -> web.Response:
        body = orjson.dumps(await self._keyring.jwks())
        return web.Response(body=body, content_type="application/jwk-set+json", headers=PUBLIC)

    async def _described(self, request: web.Request) -> web.Response:
        return answer(self.metadata, headers=PUBLIC)
