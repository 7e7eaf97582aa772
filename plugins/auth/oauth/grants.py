"""What people let clients do: a row a grant, which its refresh token keeps alive.

A refresh token has the grant's id, 256 random bits, and a tag by which one that was spent long ago
is told from one that was never given: so no row is kept for each.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access.choosing import check_member
from plugins.auth.audit.log import record
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.narrowing import kept
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.tables import grants

GRACE = 10
"""Seconds in which a spent token is a race of its client's, as long as its child is unused."""
ADD = grants.insert()
SPEND = (
    grants.update()
    .where(grants.c.id == sa.bindparam("grant"), grants.c.current == sa.bindparam("spent"))
    .where(grants.c.client_id == sa.bindparam("client"), grants.c.expires_at > sa.bindparam("now"))
    .where(sa.or_(grants.c.jkt == "", grants.c.jkt == sa.bindparam("key")))
    .values(
        previous=grants.c.current,
        current=sa.bindparam("new"),
        rotated_at=sa.bindparam("now"),
        expires_at=sa.case(
            (grants.c.ends_at < sa.bindparam("idle"), grants.c.ends_at),
            else_=sa.bindparam("idle", type_=sa.BigInteger),
        ),
    )
    .returning(grants)
)
"""Made once: to build and to look up a statement costs several times what its engine takes."""
TOKEN = re.compile(r"([0-9a-f]{32})([\w-]{43})([\w-]{22})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Granted:
    """session_id: empty if there is none. offline: it outlives the session. jkt: RFC 9449, or
    empty. auth_time: UTC seconds since 1970, amr, acr: of the log-in."""

    id: str
    client_id: str
    account_id: str
    session_id: str
    offline: bool
    scopes: tuple[str, ...]
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    jkt: str = ""


class Grants:
    def __init__(
        self,
        sql: Sql,
        at_rest: AtRest,
        ending: Ending,
        options: TokenOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._at_rest = at_rest
        self._ending = ending
        self._options = options
        self._clock = clock

    async def begin(self, connection: AsyncConnection, made: Granted, *, refresh: bool) -> str:
        """Its refresh token, or nothing when it has none. Raises OAuthError for who is no member
        of the organisation that it is for."""
        await check_member(connection, made.account_id, made.scopes, hold=True)
        now, options = int(self._clock()), self._options
        token = self._new(made.id) if refresh else ""
        unused = options.refresh_idle if refresh else options.access_lifetime
        values = {
            "id": made.id,
            "client_id": made.client_id,
            "account_id": made.account_id,
            "session_id": made.session_id,
            "offline": made.offline,
            "scopes": " ".join(made.scopes),
            "auth_time": made.auth_time,
            "amr": " ".join(made.amr),
            "acr": made.acr,
            "jkt": made.jkt,
            "current": _hash(token) if token else None,
            "rotated_at": now,
            "created_at": now,
            "ends_at": now + options.refresh_absolute,
            "expires_at": now + min(unused, options.refresh_absolute),
        }
        await connection.execute(ADD, values)
        return token

    async def rotate(
        self,
        connection: AsyncConnection,
        client: Client,
        token: str,
        sent: Mapping[str, str],
        jkt: str,
    ) -> tuple[Granted, str] | None:
        """The grant, with the scopes that were asked for, and the next token; None for a token
        that is not good, of which what it leads to is written.

        One statement: of parallel calls one is answered. Raises OAuthError, and it is not spent.
        """
        found = TOKEN.fullmatch(token)
        if found is None:
            return None
        now, new = int(self._clock()), self._new(found[1])
        spent = {
            "grant": found[1],
            "spent": _hash(token),
            "client": client.id,
            "key": jkt,
            "new": _hash(new),
            "now": now,
            "idle": now + self._options.refresh_idle,
        }
        row = (await connection.execute(SPEND, spent)).first()
        if row is None:
            await self._refuse(connection, client, found[1], token)
            return None
        granted = granted_of(row, kept(sent, row.scopes.split(), client.scopes))
        await check_member(connection, granted.account_id, granted.scopes)
        return granted, new

    async def look(self, token: str) -> Any:
        """The row of a refresh token that is good, or None. Raises BackendError."""
        found = TOKEN.fullmatch(token)
        if found is None:
            return None
        mine = sa.and_(grants.c.id == found[1], grants.c.current == _hash(token))
        living = grants.c.expires_at > int(self._clock())
        async with self._sql.read() as connection:
            return (await connection.execute(sa.select(grants).where(mine, living))).first()

    async def _refuse(
        self, connection: AsyncConnection, client: Client, grant_id: str, token: str
    ) -> None:
        """A token that was spent before ends all that came from it, unless it is just a race."""
        mine = sa.and_(grants.c.id == grant_id, grants.c.client_id == client.id)
        row = (await connection.execute(sa.select(grants).where(mine))).first()
        if row is None or row.current is None or row.current == _hash(token):
            return
        if row.previous == _hash(token):
            if int(self._clock()) - row.rotated_at <= GRACE:
                return
        elif not hmac.compare_digest(self._tag(token[:75]), token[75:]):
            return
        await self._ending.grants(connection, mine)
        await record(
            connection,
            "refresh_token_reused",
            account=row.account_id,
            client=client.id,
            session=row.session_id or None,
        )

    def _new(self, grant_id: str) -> str:
        begins = grant_id + secrets.token_urlsafe(32)
        return begins + self._tag(begins)

    def _tag(self, begins: str) -> str:
        tag = self._at_rest.tag(begins.encode(), b"refresh token")[:16]
        return urlsafe_b64encode(tag).rstrip(b"=").decode()


def new_id() -> str:
    return secrets.token_hex(16)


def granted_of(row: Any, scopes: tuple[str, ...]) -> Granted:
    return Granted(
        row.id,
        row.client_id,
        row.account_id,
        row.session_id,
        row.offline,
        scopes,
        row.auth_time,
        tuple(row.amr.split()),
        row.acr,
        row.jkt,
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
