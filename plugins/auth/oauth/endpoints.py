"""The routes of OAuth 2 and OpenID Connect that programs ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.cross_origin import from_anywhere
from plugins.auth.oauth.discovery import metadata
from plugins.auth.oauth.errors import answer
from plugins.auth.oauth.token_endpoint import TokenEndpoint
from plugins.auth.oauth.token_state import TokenState
from plugins.auth.oauth.userinfo import UserInfo

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
PUBLIC = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}


class Endpoints:
    """The metadata is under the issuer, and where RFC 8414 section 3.1 looks for it: that path
    holds the issuer's own at its end."""

    def __init__(
        self,
        issuer: str,
        keyring: Keyring,
        token: TokenEndpoint,
        state: TokenState,
        userinfo: UserInfo,
    ) -> None:
        self._issuer = issuer
        self._keyring = keyring
        self._token = token
        self._state = state
        self._userinfo = userinfo
        self.more: dict[str, Any] = {}
        """What other rooms add to the metadata, or say otherwise in it."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        path = urlsplit(self._issuer).path
        places = dict.fromkeys([OAUTH, OPENID, OAUTH + path, OPENID + path])
        tell = self._userinfo.handle
        return [
            *from_anywhere("/jwks.json", get=self._jwks),
            *from_anywhere("/token", post=self._token.handle),
            *from_anywhere("/userinfo", get=tell, post=tell),
            *from_anywhere("/revoke", post=self._state.revoke),
            web.post("/introspect", self._state.introspect),
            *(route for place in places for route in from_anywhere(place, get=self._described)),
        ]

    async def _jwks(self, request: web.Request) -> web.Response:
        body = orjson.dumps(await self._keyring.jwks())
        return web.Response(body=body, content_type="application/jwk-set+json", headers=PUBLIC)

    async def _described(self, request: web.Request) -> web.Response:
        keys = (await self._keyring.jwks())["keys"]
        algorithms = [str(key["alg"]) for key in keys]
        told = metadata(self._issuer, self._token.grants, algorithms) | self.more
        return answer(told, headers=PUBLIC)
