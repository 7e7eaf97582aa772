"""Requests that were pushed: each is taken up by one browser and leads to one code."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.pushed.options import PushedOptions
from plugins.auth.pushed.tables import pushed

PREFIX = "urn:ietf:params:oauth:request_uri:"
BEGUN = 3600
"""Seconds for the log-in and the consent of the browser that came with one."""


class Pushed:
    def __init__(
        self, sql: Sql, options: PushedOptions, clock: Callable[[], float] = time.time
    ) -> None:
        self.options = options
        self._sql = sql
        self._clock = clock

    def required(self, client: Client) -> bool:
        asked = client.metadata.get("require_pushed_authorization_requests")
        return self.options.required or asked is True

    async def push(self, client: Client, parameters: Mapping[str, str]) -> str:
        """Its `request_uri`. Raises BackendError."""
        uri = _new()
        values = {
            "hash": _hash(uri),
            "client_id": client.id,
            "parameters": orjson.dumps(parameters).decode(),
            "begun": False,
            "expires_at": int(self._clock()) + self.options.lifetime,
        }
        async with self._sql.write() as connection:
            await connection.execute(pushed.insert().values(values))
        return uri

    async def take_up(self, client: Client, uri: str) -> tuple[str, Mapping[str, str]]:
        """What was pushed, and the `request_uri` that this browser goes on with, which nobody
        else has: of those who come with the first one, one gets it.

        Raises OAuthError and BackendError.
        """
        if not uri.startswith(PREFIX):
            raise OAuthError("request_uri_not_supported", "a request_uri is of a pushed request")
        now, follows = int(self._clock()), _new()
        mine = sa.and_(
            pushed.c.hash == _hash(uri),
            pushed.c.client_id == client.id,
            pushed.c.expires_at > now,
        )
        taking = (
            pushed.update()
            .where(mine, ~pushed.c.begun)
            .values(hash=_hash(follows), begun=True, expires_at=now + BEGUN)
            .returning(pushed.c.parameters)
        )
        async with self._sql.read() as connection:
            row = (await connection.execute(sa.select(pushed).where(mine))).first()
        if row is not None and row.begun:
            return uri, orjson.loads(row.parameters)
        taken = None
        if row is not None:
            async with self._sql.write() as connection:
                taken = (await connection.execute(taking)).scalar()
        if taken is None:
            raise OAuthError("invalid_request_uri", "request_uri is not good, or no longer")
        return follows, orjson.loads(taken)

    async def spend(self, connection: AsyncConnection, uri: str) -> bool:
        """In the transaction that makes the code: of two at once one does."""
        gone = pushed.delete().where(pushed.c.hash == _hash(uri), pushed.c.begun)
        return bool((await connection.execute(gone)).rowcount)


def _new() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _hash(uri: str) -> bytes:
    return hashlib.sha256(uri.encode(errors="replace")).digest()
