"""`/userinfo` (OpenID Connect Core 5.3)."""

from __future__ import annotations

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.accounts.directory import Directory
from plugins.auth.oauth.bearer import Bearer, TokenError
from plugins.auth.oauth.errors import answer
from plugins.auth.oauth.person_tokens import about
from plugins.auth.oauth.token_endpoint import busy

OF_ORGANISATION = ("organisations", "org", "org_owner", "org_roles")
"""Claims of the token that are told as well."""


class UserInfo:
    def __init__(self, bearer: Bearer, directory: Directory) -> None:
        self._bearer = bearer
        self._directory = directory

    async def handle(self, request: web.Request) -> web.Response:
        try:
            claims = await self._bearer.claims(request, "openid")
            account = await self._directory.get(str(claims["sub"]))
            if account is None or account.disabled:
                raise TokenError("invalid_token", "the token is not good, or no longer", 401)
        except TokenError as error:
            return error.response()
        except BackendError as error:
            return busy(error)
        told = {name: claims[name] for name in OF_ORGANISATION if name in claims}
        return answer(told | about(account, str(claims["scope"]).split()))
