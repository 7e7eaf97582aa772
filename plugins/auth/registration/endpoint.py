"""`POST /clients` (RFC 7591), and `/clients/{id}` for who registered it (RFC 7592)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.bearer import TokenError
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import Client, Clients, hashed, row_of
from plugins.auth.oauth.errors import NO_STORE, OAuthError, answer
from plugins.auth.oauth.tables import clients as clients_table
from plugins.auth.oauth.token_endpoint import busy
from plugins.auth.pages.forms import BadForm, body
from plugins.auth.pages.rooms import address
from plugins.auth.registration.members import NAMES, Rules
from plugins.auth.registration.metadata import read, told, wrong
from plugins.auth.registration.tokens import RegistrationTokens

OWN = ("name", "method", "grants", "scopes", "redirect_uris")
"""Fields of Client that it says itself."""
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Registration:
    def __init__(
        self,
        sql: Sql,
        issuer: str,
        *,
        clients: Clients,
        changes: ClientChanges,
        keyring: Keyring,
        tokens: RegistrationTokens,
        rules: Rules,
    ) -> None:
        self._sql = sql
        self._place = f"{issuer}/clients"
        self._rules = rules
        self._clients = clients
        self._changes = changes
        self._keyring = keyring
        self._tokens = tokens

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/clients", _answered(self.register)),
            web.get("/clients/{id}", _answered(self.look)),
            web.put("/clients/{id}", _answered(self.replace)),
            web.delete("/clients/{id}", _answered(self.remove)),
        ]

    async def register(self, request: web.Request) -> web.Response:
        """A token that is not good is said first, and counts when all else is."""
        initial = _token(request)
        allowed = await self._tokens.look(initial)
        if allowed is None:
            raise _refused()
        made, _ = await self._read(request, secrets.token_hex(16), allowed)
        secret, now = secrets.token_urlsafe(32), int(time.time())
        row = {**row_of(made), "secret": hashed(secret), "created_at": now}
        async with self._sql.write() as connection:
            if not await self._tokens.spend(connection, initial):
                raise _refused()
            await connection.execute(clients_table.insert().values(row))
            owner = await self._tokens.owner(connection, made.id, allowed)
            await record(connection, "client_registered", client=made.id, name=made.name)
        whole = {**self._told(made, owner), "client_id_issued_at": now}
        if made.has_secret:
            whole |= {"client_secret": secret, "client_secret_expires_at": 0}
        return answer(whole, 201)

    async def look(self, request: web.Request) -> web.Response:
        client, token, _ = await self._owned(request)
        return answer(self._told(client, token))

    async def replace(self, request: web.Request) -> web.Response:
        """All of it: what is left out is left out from now on (RFC 7592 section 2.2). What an
        operator alone says of a client stays."""
        client, token, allowed = await self._owned(request)
        made, sent = await self._read(request, client.id, allowed)
        if sent.get("client_id") != client.id:
            raise OAuthError("invalid_request", "client_id is that of the client")
        if made.has_secret != client.has_secret or made.public != client.public:
            raise wrong("a client stays with a secret, with keys, or with neither")
        values = {name: getattr(made, name) for name in OWN}
        members = {name: made.metadata.get(name) for name in NAMES}
        secret = str(sent["client_secret"]) if "client_secret" in sent else None
        try:
            changed = await self._changes.update(
                client.id, values, _itself(request), secret, members=members
            )
        except ValueError as error:
            raise OAuthError("invalid_request", str(error)) from None
        if changed is None:
            raise _refused()
        return answer(self._told(changed[0], token))

    async def remove(self, request: web.Request) -> web.Response:
        client, _, _ = await self._owned(request)
        await self._changes.delete(client.id, _itself(request))
        return web.Response(status=204, headers=NO_STORE)

    async def _read(
        self, request: web.Request, client_id: str, allowed: tuple[str, ...]
    ) -> tuple[Client, Mapping[str, Any]]:
        return await read(await _json(request), client_id, allowed, self._rules)

    async def _owned(self, request: web.Request) -> tuple[Client, str, tuple[str, ...]]:
        """The same answer for a client that is not there, and for another's."""
        token = _token(request)
        client = await self._clients.get(request.match_info["id"])
        allowed = await self._tokens.owns(request.match_info["id"], token)
        if client is None or allowed is None:
            raise _refused()
        return client, token, allowed

    def _told(self, client: Client, token: str) -> dict[str, Any]:
        place = f"{self._place}/{client.id}"
        tokens = {"registration_access_token": token, "registration_client_uri": place}
        signed = {"id_token_signed_response_alg": self._keyring.algorithm}
        return {**signed, **told(client), **tokens}


def _itself(request: web.Request) -> Actor:
    return Actor(f"client:{request.match_info['id']}", address(request))


def _answered(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except OAuthError as error:
            return error.response()
        except BackendError as error:
            return busy(error)

    return handle


async def _json(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise wrong("the body is application/json")
    try:
        return await body(request)
    except BadForm as error:
        raise OAuthError("invalid_client_metadata", str(error), error.status) from None


def _token(request: web.Request) -> str:
    fields = request.headers.getall("Authorization", [])
    scheme, _, token = (fields[0] if len(fields) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= 200:
        raise TokenError("", "a token is missing", 401)
    return token.strip()


def _refused() -> TokenError:
    return TokenError("invalid_token", "the token is not good, or no longer", 401)
