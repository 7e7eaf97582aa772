"""`POST /token`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.clients import CREDENTIALS, Client, Clients
from plugins.auth.oauth.errors import OAuthError, answer
from plugins.auth.oauth.parameters import parameters
from plugins.auth.seldom import Seldom

Counted = Callable[[str, str], None]
Grant = Callable[[web.Request, Client, Mapping[str, str]], Awaitable[dict[str, Any]]]
"""Answers the members of a token response. Raises OAuthError and BackendError."""
Claims = Callable[[Client, Sequence[str]], Awaitable[Mapping[str, Any]]]
Before = Callable[[web.Request, Client], Awaitable[None]]
CNF: web.RequestKey[Mapping[str, Any]] = web.RequestKey("cnf", Mapping[str, Any])
BUSY = OAuthError("temporarily_unavailable", "try again in a moment", 503)
AWAY = Seldom(logging.getLogger("gateway.auth.oauth"), "clients are answered with 503: %s")


def busy(error: BackendError) -> web.Response:
    AWAY.warn(error)
    return BUSY.response()


class TokenEndpoint:
    """counted: told of each request, with its grant (or `other`) and `issued` or the error."""

    def __init__(self, clients: Clients, tokens: AccessTokens, counted: Counted) -> None:
        self._clients = clients
        self._tokens = tokens
        self._counted = counted
        self._before: list[Before] = []
        self._claims: list[Claims] = []
        self.grants: dict[str, Grant] = {CREDENTIALS: self._client_credentials}

    def add(self, grant_type: str, grant: Grant) -> None:
        """grant_type: a name, or a URN of RFC 6749 section 4.5, which is in `clients.GRANTS`."""
        self.grants[grant_type] = grant

    def add_claims(self, claims: Claims) -> None:
        """Further claims of tokens that a client has for itself."""
        self._claims.append(claims)

    def before(self, check: Before) -> None:
        """Asked before each grant, with the client authenticated. It may put into `request[CNF]`
        what the tokens are bound to. Raises OAuthError and BackendError."""
        self._before.append(check)

    async def handle(self, request: web.Request) -> web.Response:
        grant = "other"
        try:
            sent = await parameters(request)
            client = await self._clients.authenticated(request, sent)
            if "grant_type" not in sent:
                raise OAuthError("invalid_request", "grant_type is missing")
            if sent["grant_type"] not in self.grants:
                raise OAuthError("unsupported_grant_type", "there is no such grant here")
            grant = sent["grant_type"]
            if grant not in client.grants:
                raise OAuthError("unauthorized_client", "the client may not use this grant")
            for check in self._before:
                await check(request, client)
            issued = await self.grants[grant](request, client, sent)
        except OAuthError as error:
            self._counted(grant, error.code)
            return error.response()
        except BackendError as error:
            self._counted(grant, BUSY.code)
            return busy(error)
        self._counted(grant, "issued")
        return answer(issued)

    async def _client_credentials(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        """RFC 6749 section 4.4; all its scopes when it asks for none."""
        check_resource(sent, client.audience or self._tokens.audience)
        asked = narrowed(sent, client.scopes)
        more: dict[str, Any] = {}
        for claims in self._claims:
            more |= await claims(client, asked)
        return self._tokens.issue(client.id, client, asked, cnf=request.get(CNF), claims=more)


def narrowed(sent: Mapping[str, str], scopes: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for of these, or all of them. Raises OAuthError."""
    asked = tuple(dict.fromkeys(sent["scope"].split(" "))) if "scope" in sent else scopes
    if not set(asked) <= set(scopes):
        raise OAuthError("invalid_scope", "the client may not have all of these scopes")
    return asked


def check_resource(sent: Mapping[str, str], audience: str) -> None:
    """RFC 8707. Raises OAuthError."""
    if sent.get("resource", audience) != audience:
        raise OAuthError("invalid_target", "tokens are for one audience here")
