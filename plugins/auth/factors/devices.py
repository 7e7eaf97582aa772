"""Devices that are not asked for a code for a while: a cookie, held as its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.tables import sessions
from plugins.auth.agent import agent_of
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.cookies import cookie_of
from plugins.auth.factors.tables import devices


@dataclass(frozen=True, slots=True)
class Device:
    """created_at, used_at: UTC seconds since 1970."""

    id: str
    created_at: int
    used_at: int
    address: str
    agent: str


class Devices:
    """For `remember_device` seconds; 0 remembers none. A new password or another second factor
    forgets all of the account's."""

    def __init__(
        self,
        sql: Sql,
        options: AccountOptions,
        issuer: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._lasts = options.remember_device
        self._secure = urlsplit(issuer).scheme == "https"
        self._clock = clock

    @property
    def days(self) -> int:
        """0: none is remembered."""
        return -(-self._lasts // 86400)

    def cookie(self, account_id: str) -> str:
        """One an account, so that several people can share a browser."""
        prefix = "__Host-auth-device-" if self._secure else "auth-device-"
        return prefix + hashlib.sha256(account_id.encode()).hexdigest()[:12]

    async def knows(
        self, connection: AsyncConnection, request: web.Request, account_id: str
    ) -> bool:
        token = cookie_of(request, self.cookie(account_id))
        if not self._lasts or not token:
            return False
        now = int(self._clock())
        use = devices.update().where(
            devices.c.hash == _hash(token),
            devices.c.account_id == account_id,
            devices.c.expires_at > now,
            devices.c.created_at > now - self._lasts,
        )
        return bool((await connection.execute(use.values(used_at=now))).rowcount)

    async def remember(
        self, request: web.Request, response: web.StreamResponse, account_id: str, session_id: str
    ) -> None:
        """Unless the session, in which the second factor was shown, is over by now."""
        if not self._lasts:
            return
        now, token = int(self._clock()), secrets.token_urlsafe(32)
        living = sa.select(sessions.c.id).where(sessions.c.id == session_id).with_for_update()
        row = {
            "hash": _hash(token),
            "id": secrets.token_hex(16),
            "account_id": account_id,
            "created_at": now,
            "used_at": now,
            "expires_at": now + self._lasts,
            "address": request["exchange"].client_ip,
            "agent": agent_of(request),
        }
        before = cookie_of(request, self.cookie(account_id))
        async with self._sql.write() as connection:
            if (await connection.execute(living)).first() is None:
                return
            mine = sa.and_(devices.c.hash == _hash(before), devices.c.account_id == account_id)
            await connection.execute(devices.delete().where(mine))
            await connection.execute(devices.insert().values(row))
            await record(
                connection, "device_remembered", account=account_id, address=str(row["address"])
            )
        response.set_cookie(
            self.cookie(account_id),
            token,
            path="/",
            max_age=self._lasts,
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )

    async def of_account(self, account_id: str) -> list[Device]:
        """The last used first; a hundred at most."""
        living = devices.c.expires_at > int(self._clock())
        query = (
            sa.select(devices)
            .where(devices.c.account_id == account_id, living)
            .order_by(devices.c.used_at.desc(), devices.c.id)
            .limit(100)
        )
        async with self._sql.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Device(r.id, r.created_at, r.used_at, r.address, r.agent) for r in rows]

    async def forget(self, account_id: str, device_id: str, actor: Actor | None = None) -> bool:
        """Whether there was such a device of this account. actor: who else than the person."""
        one = sa.and_(devices.c.account_id == account_id, devices.c.id == device_id)
        async with self._sql.write() as connection:
            gone = bool((await connection.execute(devices.delete().where(one))).rowcount)
            if gone:
                name, address = actor or (None, None)
                event = "device_forgotten"
                await record(connection, event, account=account_id, actor=name, address=address)
        return gone


async def forget_all(connection: AsyncConnection, account_id: str) -> None:
    await connection.execute(devices.delete().where(devices.c.account_id == account_id))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
