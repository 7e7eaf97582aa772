"""Devices that wait: begun, decided by a person, redeemed once."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.sessions import Session
from plugins.auth.audit.log import record
from plugins.auth.device.options import DeviceOptions
from plugins.auth.device.tables import device_codes
from plugins.auth.oauth.errors import OAuthError

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words, and nothing that looks like another (RFC 8628 section 6.1)."""
LENGTH, SLOWER, REMEMBERED = 8, 5, 600
WAITING, ALLOWED, DENIED = "waiting", "allowed", "denied"


class Begun(NamedTuple):
    device_code: str
    user_code: str


class Asked(NamedTuple):
    """What a person is to decide."""

    client_id: str
    scopes: tuple[str, ...]


class Devices:
    def __init__(
        self, sql: Sql, options: DeviceOptions, clock: Callable[[], float] = time.time
    ) -> None:
        self.options = options
        self._sql = sql
        self._clock = clock

    async def begin(self, client_id: str, scopes: Sequence[str]) -> Begun:
        """Raises BackendError."""
        now = int(self._clock())
        values = {
            "client_id": client_id,
            "scopes": " ".join(scopes),
            "state": WAITING,
            "pause": self.options.interval,
            "ask_at": now,
            "good_until": now + self.options.lifetime,
            "expires_at": now + self.options.lifetime + REMEMBERED,
        }
        while True:
            begun = Begun(secrets.token_urlsafe(32), _new_user_code())
            hashes = {"hash": _hash(begun.device_code), "user_code": _hash(begun.user_code)}
            adding = (
                insert(self._sql, device_codes).values(values | hashes).on_conflict_do_nothing()
            )
            async with self._sql.write() as connection:
                if (await connection.execute(adding)).rowcount:
                    return Begun(begun.device_code, f"{begun.user_code[:4]}-{begun.user_code[4:]}")

    async def waiting(self, user_code: str) -> Asked | None:
        """For a code as a person typed it."""
        query = sa.select(device_codes.c.client_id, device_codes.c.scopes).where(
            *self._lives(user_code)
        )
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else Asked(row.client_id, tuple(row.scopes.split()))

    async def decide(
        self, user_code: str, session: Session, *, allowed: bool, scopes: Sequence[str] = ()
    ) -> bool:
        """False when there is nothing to decide any more. scopes: left out, those that it asked
        for. Raises BackendError."""
        chosen = {"scopes": " ".join(scopes)} if scopes else {}
        deciding = (
            device_codes.update()
            .where(*self._lives(user_code))
            .values(
                state=ALLOWED if allowed else DENIED,
                account_id=session.account_id,
                session_id=session.id,
                auth_time=session.auth_time,
                amr=" ".join(session.amr),
                acr=session.acr,
                **chosen,
            )
            .returning(device_codes.c.client_id)
        )
        async with self._sql.write() as connection:
            client = (await connection.execute(deciding)).scalar()
            if client is not None:
                event = "device_allowed" if allowed else "device_denied"
                await record(
                    connection,
                    event,
                    account=session.account_id,
                    client=client,
                    session=session.id,
                )
        return client is not None

    async def redeem(self, device_code: str, client_id: str) -> Any:
        """The row of a device that was allowed, once. Raises OAuthError and BackendError."""
        now = int(self._clock())
        mine = (device_codes.c.hash == _hash(device_code), device_codes.c.client_id == client_id)
        allowed = device_codes.delete().where(
            *mine, device_codes.c.state == ALLOWED, device_codes.c.good_until > now
        )
        denied = device_codes.delete().where(*mine, device_codes.c.state == DENIED)
        asked = device_codes.update().where(*mine, device_codes.c.ask_at <= now)
        hasty = device_codes.update().where(*mine, device_codes.c.ask_at > now)
        async with self._sql.write() as connection:
            row = (await connection.execute(allowed.returning(device_codes))).first()
            if row is not None:
                return row
            found = sa.select(device_codes.c.good_until).where(*mine)
            until = (await connection.execute(found)).scalar()
            if until is None:
                error = OAuthError("invalid_grant", "there is no such device code")
            elif until <= now:
                error = OAuthError("expired_token", "the device code has expired")
            elif (await connection.execute(denied)).rowcount:
                error = OAuthError("access_denied", "the person said no")
            elif (
                await connection.execute(asked.values(ask_at=now + device_codes.c.pause))
            ).rowcount:
                error = OAuthError("authorization_pending", "the person has not answered yet")
            else:
                slower = device_codes.c.pause + SLOWER
                await connection.execute(hasty.values(pause=slower, ask_at=now + slower))
                error = OAuthError("slow_down", "the pauses are five seconds longer from now on")
        raise error

    async def exported(self, account_id: str) -> list[dict[str, Any]]:
        """Devices that a person has decided about, and which have yet to hear of it."""
        names = ("client_id", "scopes", "state", "auth_time", "good_until")
        columns = [device_codes.c[name] for name in names]
        query = sa.select(*columns).where(device_codes.c.account_id == account_id)
        async with self._sql.read() as connection:
            return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]

    async def forget(self, connection: AsyncConnection, account_id: str) -> None:
        """What a person has decided, and was not redeemed yet."""
        await connection.execute(
            device_codes.delete().where(device_codes.c.account_id == account_id)
        )

    def _lives(self, user_code: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            device_codes.c.user_code == _hash(plain(user_code)),
            device_codes.c.state == WAITING,
            device_codes.c.good_until > int(self._clock()),
        )


def plain(user_code: str) -> str:
    """Its letters alone, in capitals."""
    return "".join(each for each in user_code[:100].upper() if each in LETTERS)


def _new_user_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
