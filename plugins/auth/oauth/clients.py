"""Clients: registered, found, and authenticated."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.organisation_scope import BEGINS
from plugins.auth.assertions.registered import check_keys
from plugins.auth.audit.log import record
from plugins.auth.cache.cached import Cached
from plugins.auth.cache.epoch import CLIENTS, Epoch
from plugins.auth.oauth import redirects
from plugins.auth.oauth.authentication import (
    BASIC,
    METHODS,
    NONE,
    PRIVATE_KEY_JWT,
    SECRET_METHODS,
    credentials,
)
from plugins.auth.oauth.errors import invalid_client
from plugins.auth.oauth.tables import clients

CREDENTIALS, CODE, REFRESH, DEVICE, EXCHANGE, PASSWORD = GRANTS = (
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "password",
)
"""What a client may be registered for."""
OF_PEOPLE, OF_SECRETS = {CODE, DEVICE, PASSWORD}, {CREDENTIALS, EXCHANGE, PASSWORD}
PERSONAL = ("openid", "profile", "email", "offline_access")
"""Scopes of a client that people log in to, unless it is registered with others."""
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}", re.ASCII)
"""A scope token of RFC 6749 section 3.3."""
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Controls, ends of lines, and what shows text in another direction than it has."""
KEPT = 2000
IDENTIFIER = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """first_party: people are not asked whether it may. introspector: it may look into tokens of
    others. audience: of its tokens, instead of the default. metadata: what else RFC 7591 names.
    """

    id: str
    name: str
    method: str
    grants: frozenset[str]
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    first_party: bool = False
    introspector: bool = False
    audience: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def public(self) -> bool:
        """It can keep no secret (RFC 6749 section 2.1)."""
        return self.method == NONE

    @property
    def has_secret(self) -> bool:
        return self.method in SECRET_METHODS

    @property
    def id_token_alg(self) -> str:
        """What it asks its id_tokens to be signed by; empty: as all is."""
        return str(self.metadata.get("id_token_signed_response_alg", ""))


class Known(NamedTuple):
    """secret: its SHA-256."""

    client: Client
    secret: bytes


Asserted = Callable[[Client, str], Awaitable[None]]


async def nothing_asserted(client: Client, assertion: str) -> None:
    raise invalid_client()


class Clients:
    """epoch: moves when a client changes. Left out: of who changes none, and is gone soon.
    asserted: checks an assertion that says it is from the client. Raises OAuthError and
    BackendError."""

    def __init__(self, sql: Sql, epoch: Epoch | None = None) -> None:
        self._sql = sql
        self.asserted: Asserted = nothing_asserted
        self.epoch = epoch or Epoch(sql, which=CLIENTS)
        self._known: Cached[Known] = Cached(self.epoch, KEPT, "client", Known)

    async def create(
        self,
        name: str,
        scopes: Iterable[str] = (),
        method: str = BASIC,
        *,
        grants: Iterable[str] = (),
        redirect_uris: Iterable[str] = (),
        first_party: bool = False,
        introspector: bool = False,
        audience: str = "",
        metadata: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> tuple[Client, str]:
        """With its secret, which is nowhere else, and empty for a client that has none.

        grants: left out, those of a log-in if there are redirect_uris, else client_credentials.
        scopes: left out, PERSONAL for a log-in. Raises ValueError and BackendError.
        """
        uris = tuple(dict.fromkeys(redirect_uris))
        allowed = frozenset(grants) or frozenset((CODE, REFRESH) if uris else (CREDENTIALS,))
        found = tuple(dict.fromkeys(scopes)) or (PERSONAL if allowed & OF_PEOPLE else ())
        made = Client(
            secrets.token_hex(16),
            name,
            method,
            allowed,
            found,
            uris,
            first_party,
            introspector,
            audience,
            metadata or {},
        )
        check(made)
        secret = secrets.token_urlsafe(32)
        row = {**row_of(made), "secret": hashed(secret), "created_at": int(time.time())}
        async with self._sql.write() as connection:
            await connection.execute(clients.insert().values(row))
            await record(connection, "client_created", client=made.id, name=name, actor=actor)
        return made, secret if made.has_secret else ""

    async def get(self, client_id: str) -> Client | None:
        """Raises BackendError."""
        found = await self._found(client_id)
        return None if found is None else found.client

    async def authenticated(self, request: web.Request, sent: Mapping[str, str]) -> Client:
        """By the one method it is registered with; a public client by its id alone.

        Raises OAuthError and BackendError.
        """
        method, client_id, proof = credentials(request, sent)
        found = await self._found(client_id)
        client, kept = found if found is not None else (None, bytes(32))
        right = hmac.compare_digest(hashed(proof), kept)
        if client is None or client.method != method:
            raise invalid_client()
        if method == PRIVATE_KEY_JWT:
            await self.asserted(client, proof)
        elif not right and method != NONE:
            raise invalid_client()
        return client

    async def _found(self, client_id: str) -> Known | None:
        known = self._known.get(client_id)
        if known is None and IDENTIFIER.fullmatch(client_id):
            known = await self._known.find(client_id, client_id, lambda: self._read(client_id))
        return known

    async def _read(self, client_id: str) -> Known | None:
        query = sa.select(clients).where(clients.c.id == client_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else Known(client_of(row), row.secret)


def check(client: Client) -> None:
    """What a client may be. Raises ValueError."""
    if client.method not in METHODS:
        raise ValueError(f"the method is one of {', '.join(METHODS)}")
    if unknown := sorted(client.grants.difference(GRANTS)):
        raise ValueError(f"{unknown[0]!r} is no grant; there are {', '.join(GRANTS)}")
    if bad := [scope for scope in client.scopes if not SCOPE.fullmatch(scope)]:
        raise ValueError(f"{bad[0]!r} is not a scope (RFC 6749 section 3.3)")
    if any(scope.startswith(BEGINS) for scope in client.scopes):
        raise ValueError("with the scope organisation a client may ask for that of each one")
    if len(" ".join(client.scopes)) > 1000 or not 0 < len(client.name) <= 200:
        raise ValueError("a name has 1 to 200 characters, all scopes together 1000")
    if UNSEEN.search(client.name) or UNSEEN.search(client.audience):
        raise ValueError("a name is one line, without characters that turn it round")
    for uri in client.redirect_uris:
        redirects.check(uri)
    if len(client.redirect_uris) > 20 or len(client.audience) > 1000:
        raise ValueError("a client has at most 20 redirect URIs; 1000 characters of audience")
    if (CODE in client.grants) != bool(client.redirect_uris):
        raise ValueError("authorization_code and redirect URIs go together")
    if REFRESH in client.grants and not client.grants & OF_PEOPLE:
        raise ValueError("refresh_token needs a grant that begins with a person")
    if client.public and (secret := client.grants & OF_SECRETS):
        raise ValueError(f"a public client has no credentials for {min(secret)}")
    check_keys(client.method, client.metadata)


def row_of(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "method": client.method,
        "grants": " ".join(sorted(client.grants)),
        "scopes": " ".join(client.scopes),
        "redirect_uris": " ".join(client.redirect_uris),
        "first_party": client.first_party,
        "introspector": client.introspector,
        "audience": client.audience,
        "metadata": orjson.dumps(client.metadata).decode(),
    }


def client_of(row: Any) -> Client:
    return Client(
        row.id,
        row.name,
        row.method,
        frozenset(row.grants.split()),
        tuple(row.scopes.split()),
        tuple(row.redirect_uris.split()),
        row.first_party,
        row.introspector,
        row.audience,
        orjson.loads(row.metadata),
    )


def hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
