"""Accounts: made, found, and proved by a password."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts import policy
from plugins.auth.accounts.account import Account, account_of
from plugins.auth.accounts.attempts import Attempts, block_of
from plugins.auth.accounts.errors import LockedOut, Unverified, WrongPassword
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.mail.outbox import enqueue

BY_ID = sa.select(accounts).where(accounts.c.id == sa.bindparam("account"))
BY_KEY = sa.select(accounts).where(accounts.c.email_key == sa.bindparam("key"))
STILL = (
    sa.select(accounts.c.id)
    .where(accounts.c.id == sa.bindparam("account"), ~accounts.c.disabled)
    .where(accounts.c.password == sa.bindparam("encoded"))
    .with_for_update()
)
"""And stays so until the end of the block."""
WRONG = "wrong e-mail address or password"
LETTERS_FREE = 5
"""To one address that somebody asked for; then there are pauses."""
LETTERS_EACH = 10
"""From one address, for each failure that it has free: many people may be behind it."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Who knows the password of an account. key: of the e-mail address. address: of the client.
    encoded: the hash that the password fits."""

    account: Account
    key: str
    address: str
    encoded: str


class Directory:
    """Who has an account. clock: UTC seconds since 1970. locked_out: told of each refusal. words:
    what this place is called, so that passwords are not made of it."""

    def __init__(
        self,
        sql: Sql,
        options: AccountOptions,
        hashing: Hashing,
        clock: Callable[[], float] = time.time,
        *,
        locked_out: Callable[[], None] = lambda: None,
        words: Sequence[str] = (),
    ) -> None:
        self._words = words
        self._locked_out = locked_out
        self._sql = sql
        self._options = options
        self._hashing = hashing
        self._clock = clock
        self.attempts = Attempts(sql, clock)
        self._adding = (
            insert(sql, accounts)
            .on_conflict_do_nothing(index_elements=[accounts.c.email_key])
            .returning(accounts.c.id)
        )

    async def get(self, account_id: str) -> Account | None:
        async with self._sql.read() as connection:
            row = (await connection.execute(BY_ID, {"account": account_id})).first()
        return account_of(row) if row is not None else None

    async def encoded(self, password: str, address: str, about: tuple[str, ...] = ()) -> str:
        """The hash of a new password. about: the person. Raises WeakPassword and Overloaded."""
        options = self._options
        client, words = block_of(address), policy.words_of(*about, *self._words)
        judge = partial(
            policy.check, password, options.password_length, options.password_score, words
        )
        await self._hashing.run(judge, client)
        return await self._hashing.hash(password, client)

    async def register(
        self,
        email: str,
        password: str,
        address: str,
        *,
        name: str = "",
        locale: str = "en",
        roles: Iterable[str] = (),
        verified: bool = False,
        letter: bool = True,
    ) -> str | None:
        """The id of the new account, or None when the address has one: never to be told to
        whoever asked, for whom a letter to the address says it.

        Raises BadEmail, WeakPassword, Overloaded and LockedOut.
        """
        email = policy.address_of(email)
        encoded = await self.encoded(password, address, (email, name))
        now = int(self._clock())
        async with self._sql.write() as connection:
            if letter:
                await self.count_letter(connection, address)
            made = await self.add(
                connection, email, encoded, name=name, locale=locale, roles=roles, verified=verified
            )
            event = "registered" if made else "registered_again"
            await record(connection, event, account=made, address=address)
            subject = f"letter {policy.key_of(email)}"
            wait = await self.attempts.begin(connection, subject, LETTERS_FREE) if letter else 0
            if letter and (made or not wait):
                what = "verify" if made else "known"
                await enqueue(connection, what, email, locale, now, account_id=made)
        return made

    async def add(
        self,
        connection: AsyncConnection,
        email: str,
        encoded: str | None,
        *,
        name: str,
        locale: str,
        roles: Iterable[str] = (),
        verified: bool,
    ) -> str | None:
        """The id of the new account, or None when the address has one. encoded: a hash; None for
        people without a password."""
        now = int(self._clock())
        values = {
            "id": secrets.token_hex(16),
            "email": email,
            "email_key": policy.key_of(email),
            "email_verified": verified,
            "name": name[:200],
            "locale": locale,
            "password": encoded,
            "roles": " ".join(sorted(roles)),
            "disabled": False,
            "created_at": now,
            "updated_at": now,
        }
        made: str | None = (await connection.execute(self._adding, values)).scalar()
        return made

    async def count_letter(self, connection: AsyncConnection, address: str) -> None:
        """One that anybody may have sent, to whomever. Raises LockedOut for too many."""
        subject = f"letters {block_of(address)}"
        free = LETTERS_EACH * self._options.address_failures
        if wait := await self.attempts.begin(connection, subject, free):
            raise LockedOut(wait)

    async def count_visit(self, address: str) -> None:
        """A failure of this address beforehand, of a log-in that no password proves.

        Raises LockedOut.
        """
        async with self._sql.write() as connection:
            wait = await self.attempts.begin(
                connection, f"address {block_of(address)}", self._options.address_failures
            )
        if wait:
            raise LockedOut(wait)

    async def uncount_visit(self, address: str) -> None:
        """It was no failure."""
        async with self._sql.write() as connection:
            await self.attempts.uncount(
                connection, f"address {block_of(address)}", self._options.address_failures
            )

    async def verify(self, email: str, password: str, address: str) -> Account:
        """Whose password it is. Raises as `check` does."""
        proved = await self.check(email, password, address)
        async with self._sql.write() as connection:
            stands = await self.accept(connection, proved)
        if not stands:
            raise WrongPassword(WRONG)
        return proved.account

    async def check(self, email: str, password: str, address: str) -> Proved:
        """Whose password it is, counted as a failure until it is accepted.

        Takes as long for an address nobody has. Raises WrongPassword, LockedOut, Unverified and
        Overloaded.
        """
        key, client = policy.key_of(email), block_of(address)
        last, row = await self._counted(key, address)
        encoded = row.password if row is not None else None
        right = await self._hashing.matches(encoded, password[: policy.LONGEST + 1], client)
        if not right or row is None or row.disabled:
            async with self._sql.write() as connection:
                account = row.id if row is not None else None
                await record(connection, "login_failed", account=account, address=address)
                if last:  # whether or not there is such an account
                    await enqueue(connection, "guessed", email[:254], "en", int(self._clock()))
            raise WrongPassword(WRONG)
        proved = Proved(account_of(row), key, address, row.password)
        if self._hashing.outdated(row.password):
            proved = await self._renewed(proved, password)
        if self._options.verified_email and not row.email_verified:
            async with self._sql.write() as connection:
                await self.accept(connection, proved)
            raise Unverified("the e-mail address has yet to be confirmed")
        return proved

    async def accept(self, connection: AsyncConnection, proved: Proved) -> bool:
        """It was no failure. False, and it stays one, when the password is another by now."""
        account, where = proved.account.id, proved.address
        same = {"account": account, "encoded": proved.encoded}
        if (await connection.execute(STILL, same)).first() is None:
            await record(connection, "login_failed", account=account, address=where)
            return False
        block, free = f"address {block_of(where)}", self._options.address_failures
        await self.attempts.uncount(connection, block, free)
        await self.attempts.succeeded(connection, f"password {proved.key}")
        return True

    async def _renewed(self, proved: Proved, password: str) -> Proved:
        """With a hash as it is made today. Raises Overloaded."""
        client, mine = block_of(proved.address), accounts.c.id == proved.account.id
        encoded = await self._hashing.hash(password, client)
        same = accounts.update().where(mine, accounts.c.password == proved.encoded)
        async with self._sql.write() as connection:
            if (await connection.execute(same.values(password=encoded))).rowcount:
                return replace(proved, encoded=encoded)
            found = await connection.execute(sa.select(accounts.c.password).where(mine))
            other = found.scalar()
        if other and await self._hashing.matches(other, password, client):
            return replace(proved, encoded=other)  # renewed by another log-in
        return proved

    async def _counted(self, key: str, address: str) -> tuple[bool, Any]:
        """Whether pauses follow if it is wrong, and the row of the account, if there is one.

        Raises LockedOut, with what was counted written.
        """
        options, row = self._options, None
        block = f"address {block_of(address)}"
        async with self._sql.write() as connection:
            counted = await self.attempts.counted(connection, block, options.address_failures)
            if not counted.wait:
                subject, free = f"password {key}", options.account_failures
                counted = await self.attempts.counted(connection, subject, free)
                if counted.wait:
                    await record(connection, "locked_out", address=address)
                else:
                    row = (await connection.execute(BY_KEY, {"key": key})).first()
        if counted.wait:
            self._locked_out()
            raise LockedOut(counted.wait)
        return counted.last, row
