"""Passkeys (WebAuthn Level 3), as second factor and as the only one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.attempts import Attempts, block_of
from plugins.auth.accounts.errors import LastWayIn, LockedOut
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.audit.log import record
from plugins.auth.factors.ceremonies import Ceremonies
from plugins.auth.factors.challenges import Challenges
from plugins.auth.factors.devices import forget_all
from plugins.auth.factors.held import Held, drop_codes_of_none, held, lock
from plugins.auth.factors.tables import passkeys
from plugins.auth.mail.outbox import enqueue
from plugins.auth.social.tables import connected

MOST = 20
"""Passkeys of an account."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """created_at, used_at: UTC seconds since 1970; used_at is 0 before the first use."""

    id: bytes
    name: str
    created_at: int
    used_at: int


class Passkeys:
    """holder: a secret of the browser's, that the answer must come from as well."""

    def __init__(
        self,
        sql: Sql,
        options: AccountOptions,
        issuer: str,
        name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(issuer)
        self._sql = sql
        self._options = options
        self._clock = clock
        self._attempts = Attempts(sql, clock)
        self._challenges = Challenges(sql, clock)
        usual = {"http": 80, "https": 443}[parts.scheme]
        port = "" if parts.port in {None, usual} else f":{parts.port}"
        origin = f"{parts.scheme}://{parts.hostname}{port}"  # as browsers say it (RFC 6454)
        self._ceremonies = Ceremonies(parts.hostname or "", origin, name)

    async def of_account(self, account_id: str) -> list[Passkey]:
        query = (
            sa.select(passkeys)
            .where(passkeys.c.account_id == account_id)
            .order_by(passkeys.c.created_at, passkeys.c.id)
        )
        async with self._sql.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Passkey(row.id, row.name, row.created_at, row.used_at) for row in rows]

    async def held(self, account_id: str) -> Held:
        """Second factors of the account, passkeys and others."""
        async with self._sql.read() as connection:
            return await held(connection, account_id)

    async def offer(self, account: Account, holder: str) -> str:
        """JSON for navigator.credentials.create."""
        known = [each.id for each in await self.of_account(account.id)]
        challenge = await self._challenges.new("add", f"{account.id} {holder}")
        return self._ceremonies.creation(account, challenge, known)

    async def add(
        self, account: Account, holder: str, answer: str, name: str, address: str
    ) -> bool:
        """False for an answer that is wrong, late or used, a passkey known already, or too many."""
        challenge = self._ceremonies.challenge_of(answer)
        if not await self._challenges.spend(challenge, "add", f"{account.id} {holder}"):
            return False
        made = self._ceremonies.created(answer, challenge)
        if made is None:
            return False
        now = int(self._clock())
        statement = insert(self._sql, passkeys).values(
            id=made.id,
            account_id=account.id,
            key=made.key,
            sign_count=made.sign_count,
            name=_named(name),
            created_at=now,
            used_at=0,
        )
        async with self._sql.write() as connection:
            await lock(connection, account.id)
            if (await held(connection, account.id)).passkeys >= MOST:
                return False
            added = await connection.execute(statement.on_conflict_do_nothing())
            if added.rowcount:
                await self._tell(connection, account, "passkey_added", address)
        return bool(added.rowcount)

    async def rename(self, account_id: str, passkey_id: bytes, name: str) -> bool:
        named = passkeys.update().where(_one(account_id, passkey_id)).values(name=_named(name))
        async with self._sql.write() as connection:
            return bool((await connection.execute(named)).rowcount)

    async def remove(self, account: Account, passkey_id: bytes, address: str) -> bool:
        """Whether it was there. Raises LastWayIn for the only one where there is no password."""
        gone = passkeys.delete().where(_one(account.id, passkey_id))
        async with self._sql.write() as connection:
            has_password = await lock(connection, account.id)
            if not (await connection.execute(gone)).rowcount:
                return False
            passkey = (await held(connection, account.id)).passkeys
            if not has_password and not passkey and not await connected(connection, account.id):
                raise LastWayIn("the only passkey of an account without a password")
            await drop_codes_of_none(connection, account.id)
            await self._tell(connection, account, "passkey_removed", address)
        return True

    async def ask(self, holder: str, account_id: str | None = None) -> str:
        """JSON for navigator.credentials.get; without an account the browser finds one."""
        known = [each.id for each in await self.of_account(account_id)] if account_id else []
        challenge = await self._challenges.new("use", holder)
        return self._ceremonies.request(challenge, known, alone=account_id is None)

    async def check(
        self, holder: str, answer: str, address: str, account_id: str | None = None
    ) -> str | None:
        """Whose account the answer proves, or None. account_id: whose it has to be, when something
        else has said who it is; without it the passkey has to verify its person.

        Raises LockedOut. Failures are counted before the check, and each challenge counts once.
        """
        challenge, passkey_id = (
            self._ceremonies.challenge_of(answer),
            self._ceremonies.id_of(answer),
        )
        owner = await self._owner(passkey_id)
        subject = f"passkey {owner[0]}" if owner else "passkey"
        await self._count(subject if owner else None, address)
        if not await self._challenges.spend(challenge, "use", holder) or owner is None:
            return None
        found, key = owner
        alone = account_id is None
        count = self._ceremonies.signed(answer, challenge, key, found, alone=alone)
        if count is None or account_id not in {None, found}:
            await self._failed("passkey_failed", found, address)
            return None
        if not await self._used(passkey_id, count):
            await self._failed("passkey_cloned", found, address)
            return None
        async with self._sql.write() as connection:
            free = self._options.address_failures
            await self._attempts.uncount(connection, f"address {block_of(address)}", free)
            await self._attempts.succeeded(connection, subject)
            await record(connection, "passkey_used", account=found, address=address)
        return found

    def id_of(self, answer: str) -> bytes:
        """Of the passkey that an answer is of; nothing when it cannot be read."""
        return self._ceremonies.id_of(answer)

    async def _owner(self, passkey_id: bytes) -> tuple[str, bytes] | None:
        query = sa.select(passkeys.c.account_id, passkeys.c.key).where(passkeys.c.id == passkey_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (row.account_id, row.key)

    async def _used(self, passkey_id: bytes, count: int) -> bool:
        """A count that does not grow is that of a copy (WebAuthn 6.1.1); 0 says it keeps none."""
        grows = passkeys.c.sign_count < count if count else passkeys.c.sign_count == 0
        use = passkeys.update().where(passkeys.c.id == passkey_id, grows)
        values = use.values(sign_count=count, used_at=int(self._clock()))
        async with self._sql.write() as connection:
            return bool((await connection.execute(values)).rowcount)

    async def _count(self, subject: str | None, address: str) -> None:
        options = self._options
        block = f"address {block_of(address)}"
        async with self._sql.write() as connection:
            wait = await self._attempts.begin(connection, block, options.address_failures)
            if not wait and subject:
                free = options.account_failures
                wait = await self._attempts.begin(connection, subject, free)
        if wait:
            raise LockedOut(wait)

    async def _failed(self, event: str, account_id: str, address: str) -> None:
        async with self._sql.write() as connection:
            await record(connection, event, account=account_id, address=address)

    async def _tell(
        self, connection: AsyncConnection, account: Account, event: str, address: str
    ) -> None:
        now = int(self._clock())
        await record(connection, event, account=account.id, address=address)
        await forget_all(connection, account.id)
        await enqueue(connection, event, account.email, account.locale, now, account_id=account.id)


def _one(account_id: str, passkey_id: bytes) -> sa.ColumnElement[bool]:
    return sa.and_(passkeys.c.account_id == account_id, passkeys.c.id == passkey_id)


def _named(name: str) -> str:
    return name.strip()[:100] or "Passkey"
