"""Codes of authenticator apps (RFC 6238) and the recovery codes that stand in for them."""

from __future__ import annotations

import hashlib
import io
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import pyotp
import sqlalchemy as sa
from argon2.low_level import Type, hash_secret_raw
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.attempts import Attempts, block_of
from plugins.auth.accounts.errors import LockedOut
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.factors.devices import forget_all
from plugins.auth.factors.held import drop_codes_of_none, lock
from plugins.auth.factors.tables import recovery_codes, totp
from plugins.auth.mail.outbox import enqueue

STEP, DRIFT = 30, 1
"""Seconds of a code; steps that a clock may be off by."""
CODES, FREE = 10, 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class Sealing(Protocol):
    """**Protocol:** encryption at rest. context: what the bytes belong to; it must be the same."""

    def seal(self, clear: bytes, context: bytes) -> bytes: ...
    def open(self, sealed: bytes, context: bytes) -> bytes: ...


class Totp:
    def __init__(
        self,
        sql: Sql,
        sealing: Sealing,
        hashing: Hashing,
        name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._sealing = sealing
        self._hashing = hashing
        self._name = name
        self._clock = clock
        self._attempts = Attempts(sql, clock)

    async def enabled(self, account_id: str) -> bool:
        mine = sa.and_(totp.c.account_id == account_id, totp.c.confirmed)
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(totp.c.account_id).where(mine))
        return found.first() is not None

    async def left(self, account_id: str) -> int:
        """Recovery codes."""
        mine = recovery_codes.c.account_id == account_id
        query = sa.select(sa.func.count()).select_from(recovery_codes).where(mine)
        async with self._sql.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def offer(self, account_id: str) -> str:
        """The base32 secret that is to be confirmed; the same until it is."""
        sealed = self._sealing.seal(pyotp.random_base32().encode(), account_id.encode())
        add = insert(self._sql, totp).values(
            account_id=account_id, secret=sealed, confirmed=False, last_step=0
        )
        async with self._sql.write() as connection:
            await connection.execute(add.on_conflict_do_nothing())
        secret, _ = await self._secret(account_id)
        return secret

    def uri(self, account: Account, secret: str) -> str:
        """What the QR code says."""
        return pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=self._name)

    async def picture(self, account: Account, secret: str, address: str) -> bytes:
        """The QR code, as SVG: drawn in a thread, as it takes long. Raises Overloaded."""
        return await self._hashing.run(lambda: _drawn(self.uri(account, secret)), block_of(address))

    async def confirm(self, account: Account, code: str, address: str) -> list[str] | None:
        """Recovery codes, shown once, or None if the code is wrong. Raises LockedOut."""
        await self._count(account.id)
        if not await self._spend(account.id, code, confirmed=False):
            return None
        return await self.renew(account, address, "totp_on")

    async def check(self, account_id: str, code: str, address: str) -> str | None:
        """How it is proved (`otp`, `kba` for a recovery code), or None. Each code counts once.

        Raises LockedOut: failures are the account's, whichever sessions they come from.
        """
        last = await self._count(account_id)
        code = code.replace(" ", "").lower()
        if len(code) == 6 and code.isascii() and code.isdigit():
            how = "otp" if await self._spend(account_id, code, confirmed=True) else None
        else:
            how = "kba" if await self._spend_recovery(account_id, code, address) else None
        async with self._sql.write() as connection:
            if how:
                await self._attempts.succeeded(connection, f"code {account_id}")
            elif last:
                now = int(self._clock())
                await enqueue(connection, "halfway", "", "en", now, account_id=account_id)
            event = "recovery_code_used" if how == "kba" else "code_used" if how else "code_failed"
            await record(connection, event, account=account_id, address=address)
        return how

    async def renew(
        self,
        account: Account,
        address: str,
        event: str = "recovery_codes_made",
        *,
        letter: bool = True,
    ) -> list[str]:
        """New recovery codes; the ones before are no more. letter: unless another tells of it."""
        codes = [_new_code() for _ in range(CODES)]
        hashes = await self._hashing.run(
            lambda: [_hash(account.id, code) for code in codes], block_of(address)
        )
        async with self._sql.write() as connection:
            await _drop_codes(connection, account.id)
            rows = [{"account_id": account.id, "hash": each} for each in hashes]
            await connection.execute(recovery_codes.insert(), rows)
            await self._attempts.succeeded(connection, f"code {account.id}")
            if letter:
                await self._tell(connection, account, event, address)
            else:
                await record(connection, event, account=account.id, address=address)
        return codes

    async def off(self, account: Account, address: str) -> None:
        """Recovery codes remain while there are passkeys."""
        async with self._sql.write() as connection:
            await lock(connection, account.id)
            await connection.execute(totp.delete().where(totp.c.account_id == account.id))
            await drop_codes_of_none(connection, account.id)
            await self._tell(connection, account, "totp_off", address)

    async def _tell(
        self, connection: AsyncConnection, account: Account, event: str, address: str
    ) -> None:
        now = int(self._clock())
        await record(connection, event, account=account.id, address=address)
        await forget_all(connection, account.id)
        await enqueue(
            connection, "factor", account.email, account.locale, now, account_id=account.id
        )

    async def _count(self, account_id: str) -> bool:
        """Whether pauses follow if it is wrong. Raises LockedOut."""
        async with self._sql.write() as connection:
            counted = await self._attempts.counted(connection, f"code {account_id}", FREE)
        if counted.wait:
            raise LockedOut(counted.wait)
        return counted.last

    async def _secret(self, account_id: str) -> tuple[str, bool]:
        """And whether it is confirmed; empty when there is none."""
        query = sa.select(totp.c.secret, totp.c.confirmed).where(totp.c.account_id == account_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return "", False
        return self._sealing.open(row.secret, account_id.encode()).decode(), row.confirmed

    async def _spend(self, account_id: str, code: str, *, confirmed: bool) -> bool:
        """A step that was used, and all before it, are refused by the statement that uses one.

        A log-in under way, which holds the account's row, is over before an app is set up: its
        session is there to be ended.
        """
        secret, is_confirmed = await self._secret(account_id)
        if not secret or is_confirmed is not confirmed or not code.isascii():
            return False
        now = int(self._clock())
        app = pyotp.TOTP(secret)
        near = range(now // STEP - DRIFT, now // STEP + DRIFT + 1)
        steps = [n for n in near if secrets.compare_digest(app.generate_otp(n), code.strip())]
        if not steps:
            return False
        mine = sa.and_(totp.c.account_id == account_id, totp.c.confirmed.is_(confirmed))
        use = totp.update().where(mine, totp.c.last_step < steps[0])
        async with self._sql.write() as connection:
            if not confirmed:
                await lock(connection, account_id)
            done = await connection.execute(use.values(last_step=steps[0], confirmed=True))
        return bool(done.rowcount)

    async def _spend_recovery(self, account_id: str, code: str, address: str) -> bool:
        if not code.isascii() or len(code) > 20:
            return False
        hashed = await self._hashing.run(lambda: _hash(account_id, code), block_of(address))
        mine = recovery_codes.c.account_id == account_id
        gone = recovery_codes.delete().where(mine, recovery_codes.c.hash == hashed)
        async with self._sql.write() as connection:
            return bool((await connection.execute(gone)).rowcount)


def _new_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _hash(account_id: str, code: str) -> bytes:
    """Argon2id, since forty bits do not withstand SHA-256; the salt is the account's, so that
    one statement finds and deletes the code."""
    salt = hashlib.sha256(account_id.encode()).digest()[:16]
    plain = code.replace("-", "").encode()
    return hash_secret_raw(plain, salt, 2, 19456, 1, 32, Type.ID)


def _drawn(uri: str) -> bytes:
    import segno  # noqa: PLC0415 - most workers draw none

    drawn = io.BytesIO()
    segno.make(uri, micro=False).save(drawn, kind="svg", scale=4, border=3, light="white")
    return drawn.getvalue()


async def _drop_codes(connection: AsyncConnection, account_id: str) -> None:
    mine = recovery_codes.c.account_id == account_id
    await connection.execute(recovery_codes.delete().where(mine))
