"""Clients, and how they say who they are (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

import sqlalchemy as sa
from aiohttp import web

from backends.sql import Sql
from plugins.auth.audit.log import record
from plugins.auth.oauth.errors import OAuthError, invalid_client
from plugins.auth.oauth.tables import clients

BASIC, POST = METHODS = ("client_secret_basic", "client_secret_post")
GRANTS = ("client_credentials",)
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}", re.ASCII)
"""A scope token of RFC 6749 section 3.3."""
IDENTIFIER = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    name: str
    method: str
    grants: frozenset[str]
    scopes: tuple[str, ...]


class Clients:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def create(
        self, name: str, scopes: Sequence[str], method: str = BASIC
    ) -> tuple[Client, str]:
        """With its secret, which is nowhere else. Raises ValueError and BackendError."""
        if method not in METHODS:
            raise ValueError(f"the method is one of {', '.join(METHODS)}")
        if bad := [scope for scope in scopes if not SCOPE.fullmatch(scope)]:
            raise ValueError(f"{bad[0]!r} is not a scope (RFC 6749 section 3.3)")
        found, secret = " ".join(dict.fromkeys(scopes)), secrets.token_urlsafe(32)
        if len(found) > 1000 or not 0 < len(name) <= 200:
            raise ValueError("a name has 1 to 200 characters, all scopes together 1000")
        made = Client(secrets.token_hex(16), name, method, frozenset(GRANTS), tuple(found.split()))
        values = {
            "id": made.id,
            "name": name,
            "method": method,
            "secret": _hash(secret),
            "grants": " ".join(sorted(GRANTS)),
            "scopes": found,
            "created_at": int(time.time()),
        }
        async with self._sql.write() as connection:
            await connection.execute(clients.insert().values(values))
            await record(connection, "client_created", client=made.id, name=name)
        return made, secret

    async def authenticated(self, request: web.Request, sent: Mapping[str, str]) -> Client:
        """By the one method it is registered with. Raises OAuthError and BackendError."""
        method, client_id, secret = credentials(request, sent)
        row = None
        if IDENTIFIER.fullmatch(client_id):
            async with self._sql.read() as connection:
                query = sa.select(clients).where(clients.c.id == client_id)
                row = (await connection.execute(query)).first()
        kept = row.secret if row is not None else bytes(32)
        right = hmac.compare_digest(_hash(secret), kept)
        if row is None or not right or row.method != method:
            raise invalid_client()
        grants, scopes = frozenset(row.grants.split()), tuple(row.scopes.split())
        return Client(row.id, row.name, row.method, grants, scopes)


def credentials(request: web.Request, sent: Mapping[str, str]) -> tuple[str, str, str]:
    """Method, id and secret. Raises OAuthError for none, and for more than one method."""
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1 or (headers and "client_secret" in sent):
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    if "client_assertion" in sent or "client_assertion_type" in sent:
        raise invalid_client()
    if not headers:
        if not sent.get("client_id") or not sent.get("client_secret"):
            raise invalid_client()
        return POST, sent["client_id"], sent["client_secret"]
    client_id, secret = _basic(headers[0])
    if sent.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "client_id is not that of the Authorization field")
    return BASIC, client_id, secret


def _basic(header: str) -> tuple[str, str]:
    """Both are form-urlencoded within (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 1000:
        raise invalid_client()
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = pair.partition(":")
        found = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise invalid_client() from None
    if not colon:
        raise invalid_client()
    return found


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
