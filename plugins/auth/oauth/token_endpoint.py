"""`POST /token`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.errors import OAuthError, answer
from plugins.auth.oauth.parameters import parameters

Counted = Callable[[str, str], None]
Grant = Callable[[Client, Mapping[str, str]], dict[str, Any]]
BUSY = OAuthError("temporarily_unavailable", "try again in a moment", 503)


class TokenEndpoint:
    """counted: told of each request, with its grant (or `other`) and `issued` or the error."""

    def __init__(self, clients: Clients, tokens: AccessTokens, counted: Counted) -> None:
        self._clients = clients
        self._tokens = tokens
        self._counted = counted
        self._grants: Mapping[str, Grant] = {"client_credentials": self._client_credentials}

    async def handle(self, request: web.Request) -> web.Response:
        grant = "other"
        try:
            sent = await parameters(request)
            client = await self._clients.authenticated(request, sent)
            if "grant_type" not in sent:
                raise OAuthError("invalid_request", "grant_type is missing")
            if sent["grant_type"] not in self._grants:
                raise OAuthError("unsupported_grant_type", "there is no such grant here")
            grant = sent["grant_type"]
            if grant not in client.grants:
                raise OAuthError("unauthorized_client", "the client may not use this grant")
            issued = self._grants[grant](client, sent)
        except OAuthError as error:
            self._counted(grant, error.code)
            return error.response()
        except BackendError:
            self._counted(grant, BUSY.code)
            return BUSY.response()
        self._counted(grant, "issued")
        return answer(issued)

    def _client_credentials(self, client: Client, sent: Mapping[str, str]) -> dict[str, Any]:
        """RFC 6749 section 4.4; all its scopes when it asks for none."""
        if sent.get("resource", self._tokens.audience) != self._tokens.audience:
            raise OAuthError("invalid_target", "tokens are for one audience here")  # RFC 8707
        asked = tuple(dict.fromkeys(sent["scope"].split(" "))) if "scope" in sent else client.scopes
        if not set(asked) <= set(client.scopes):
            raise OAuthError("invalid_scope", "the client may not have all of these scopes")
        return self._tokens.issue(client.id, client.id, asked)
