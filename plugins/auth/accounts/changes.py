"""What people change about their accounts, each in one transaction with what follows from it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import Conflict
from backends.sql import Sql
from plugins.auth.access.exporting import held
from plugins.auth.access.leaving import forget
from plugins.auth.access.tables import api_keys
from plugins.auth.accounts import links, policy
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.admins import admin_kept
from plugins.auth.accounts.directory import LETTERS_FREE, Directory
from plugins.auth.accounts.sessions import Session, Sessions
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.audit.tables import events
from plugins.auth.cache.epoch import Epoch, moved
from plugins.auth.factors.devices import forget_all
from plugins.auth.factors.held import drop_offered, lock
from plugins.auth.factors.held import held as held_factors
from plugins.auth.factors.tables import devices, passkeys, recovery_codes, totp
from plugins.auth.mail.outbox import enqueue
from plugins.auth.mail.tables import outbox
from plugins.auth.oauth.tables import consents
from plugins.auth.social.tables import identities

EXPORTED, AT_ONCE = 10000, 500
OnLeave = Callable[[AsyncConnection, str], Awaitable[None]]
Export = Callable[[str], Awaitable[Any]]


class Changes:
    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        directory: Directory,
        sessions: Sessions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._directory = directory
        self._sessions = sessions
        self._clock = clock
        self._leaving: list[OnLeave] = []
        self._exporting: dict[str, Export] = {}

    def on_leave(self, callback: OnLeave) -> None:
        """Called with the account's id, in the transaction that disables or deletes it."""
        self._leaving.append(callback)

    def on_export(self, name: str, export: Export) -> None:
        """What else is held about a person, given the account's id; no secrets."""
        self._exporting[name] = export

    async def forgot(self, email: str, address: str, locale: str) -> None:
        """A letter, whether or not there is such an account: the same work, the same time.

        Raises BadEmail and LockedOut.
        """
        email, now = policy.address_of(email), int(self._clock())
        async with self._sql.write() as connection:
            await self._directory.count_letter(connection, address)
            subject = f"letter {policy.key_of(email)}"
            if not await self._directory.attempts.begin(connection, subject, LETTERS_FREE):
                await enqueue(connection, "reset", email, locale, now)
            await record(connection, "forgot", address=address)

    async def reset_works(self, token: str) -> bool:
        async with self._sql.read() as connection:
            return await links.works(connection, "reset", token, int(self._clock()))

    async def reset(self, token: str, password: str, address: str) -> bool:
        """Whether the link was good. All sessions end, and a lock is opened.

        Second factors stay: a mailbox is not enough to get past them (ASVS 5.0 6.4.3).
        Raises WeakPassword and Overloaded, and the link remains good.
        """
        async with self._sql.read() as connection:
            seen = await links.seen(connection, "reset", token, int(self._clock()))
        if seen is None:
            return False
        encoded = await self._directory.encoded(password, address, (seen.email,))
        now = int(self._clock())
        async with self._sql.write() as connection:
            link = await links.take(connection, "reset", token, now)
            if link is None:
                return False
            mine = sa.and_(
                accounts.c.id == link.account_id, accounts.c.email_key == policy.key_of(link.email)
            )
            dropped = await _drop_unproved(connection, link.account_id)
            changed = accounts.update().where(mine).values(email_verified=True)
            if not (await connection.execute(changed)).rowcount:
                return False
            subject = f"password {policy.key_of(link.email)}"
            await self._directory.attempts.succeeded(connection, subject)
            await self.changed_password(connection, link.account_id, encoded, address)
            if dropped:
                await moved(connection)
        return True

    async def set_password(
        self, account: Account, session: Session, password: str, address: str
    ) -> None:
        """All other sessions end. Raises WeakPassword and Overloaded."""
        about = (account.email, account.name)
        encoded = await self._directory.encoded(password, address, about)
        async with self._sql.write() as connection:
            await self.changed_password(connection, account.id, encoded, address, session.id)

    async def remove_password(self, account: Account, session: Session, address: str) -> bool:
        """Whether there is a passkey to log in with instead. All other sessions end."""
        async with self._sql.write() as connection:
            await lock(connection, account.id)
            if not (await held_factors(connection, account.id)).passkeys:
                return False
            await self.changed_password(connection, account.id, None, address, session.id)
        return True

    async def set_profile(self, account_id: str, name: str, locale: str) -> None:
        now = int(self._clock())
        mine = accounts.update().where(accounts.c.id == account_id)
        async with self._sql.write() as connection:
            await connection.execute(
                mine.values(name=name.strip()[:200], locale=locale, updated_at=now)
            )

    async def ask_for_email(self, account: Account, email: str, address: str) -> None:
        """Letters to both addresses; nothing changes until the new one has answered.

        Raises BadEmail and LockedOut.
        """
        email, now = policy.address_of(email), int(self._clock())
        async with self._sql.write() as connection:
            await self._directory.count_letter(connection, address)
            subject = f"letter {policy.key_of(email)}"
            if await self._directory.attempts.begin(connection, subject, LETTERS_FREE):
                return
            for letter, to in (("change", email), ("changing", account.email)):
                await enqueue(connection, letter, to, account.locale, now, account_id=account.id)
            await record(connection, "email_change_asked", account=account.id, address=address)

    async def ask_to_confirm(self, account: Account) -> None:
        """Another letter to the address, unless it is confirmed or has had many."""
        now = int(self._clock())
        if account.email_verified:
            return
        async with self._sql.write() as connection:
            subject = f"letter {policy.key_of(account.email)}"
            if not await self._directory.attempts.begin(connection, subject, LETTERS_FREE):
                await enqueue(
                    connection, "verify", account.email, account.locale, now, account_id=account.id
                )

    async def confirm(self, token: str, address: str) -> bool:
        """An address is its account's from now on: the first one, or another."""
        now = int(self._clock())
        try:
            async with self._sql.write() as connection:
                if link := await links.take(connection, "verify", token, now):
                    return await self._verified(connection, link, now, address)
                if link := await links.take(connection, "change", token, now):
                    return await self._moved(connection, link, now, address)
        except Conflict:  # another account has taken the address since
            return False
        return False

    async def end_others(self, account_id: str, keep: str) -> None:
        """All sessions but one."""
        async with self._sql.write() as connection:
            await self._sessions.end_all(connection, account_id, keep=keep)

    async def close(self, account_id: str, address: str) -> None:
        """Everything about the person goes; the audit log keeps that there was an account.

        Raises LastAdmin.
        """
        async with self._epoch.write() as connection:
            async with admin_kept(connection, accounts.c.id == account_id):
                await self.removed(connection, account_id)
            await record(connection, "account_closed", account=account_id, address=address)

    async def removed(self, connection: AsyncConnection, account_id: str) -> None:
        """The account, and what belongs to it."""
        await self.left(connection, account_id)
        for table in (totp, recovery_codes, passkeys, devices, identities, outbox, consents):
            await connection.execute(table.delete().where(table.c.account_id == account_id))
        await links.drop(connection, account_id)
        await forget(connection, account_id)
        await connection.execute(accounts.delete().where(accounts.c.id == account_id))

    async def left(self, connection: AsyncConnection, account_id: str) -> None:
        """The account is logged out everywhere, and so is every client that it let do something."""
        await self._sessions.end_all(connection, account_id)
        for callback in self._leaving:
            await callback(connection, account_id)

    async def exported(self, account: Account) -> dict[str, Any]:
        """What is held about the person, without secrets; of the log the last 10,000 lines."""
        lines = await self._lines(account.id)
        async with self._sql.read() as connection:
            access = await held(connection, account.id)
            kept = {
                "passkeys": await _listed(connection, passkeys, account.id, "name"),
                "devices": await _listed(connection, devices, account.id, "address", "agent"),
                "identities": await _listed(
                    connection, identities, account.id, "issuer", "subject", "email"
                ),
            }
        living = await self._sessions.of_account(account.id)
        return {
            "account": {
                "id": account.id,
                "email": account.email,
                "email_verified": account.email_verified,
                "name": account.name,
                "locale": account.locale,
                "roles": sorted(account.roles),
                "created_at": account.created_at,
                "updated_at": account.updated_at,
            },
            "sessions": [
                {"created_at": each.created_at, "address": each.address, "agent": each.agent}
                for each in living
            ],
            **access,
            **kept,
            "log": lines,
            **{name: await export(account.id) for name, export in self._exporting.items()},
        }

    async def _lines(self, account_id: str) -> list[dict[str, Any]]:
        """Of the log, the newest first: some at a time, so that nobody waits for all."""
        mine = sa.select(events.c.id, events.c.at, events.c.event, events.c.address)
        mine = mine.where(events.c.account_id == account_id).order_by(events.c.id.desc())
        found: list[Any] = []
        while len(found) < EXPORTED:
            older = mine.where(events.c.id < found[-1].id) if found else mine
            async with self._sql.read() as connection:
                some = (await connection.execute(older.limit(AT_ONCE))).all()
            found += some
            if len(some) < AT_ONCE:
                break
        return [{"at": row.at, "event": row.event, "address": row.address} for row in found]

    async def changed_password(
        self,
        connection: AsyncConnection,
        account_id: str,
        encoded: str | None,
        address: str,
        keep: str | None = None,
    ) -> None:
        now = int(self._clock())
        mine = accounts.update().where(accounts.c.id == account_id)
        changed = mine.values(password=encoded, updated_at=now)
        row = (
            await connection.execute(changed.returning(accounts.c.email, accounts.c.locale))
        ).one()
        if keep is None:
            await self.left(connection, account_id)
        else:
            await self._sessions.end_all(connection, account_id, keep=keep)
        await drop_offered(connection, account_id)
        await forget_all(connection, account_id)
        await links.drop(connection, account_id)
        await enqueue(connection, "password", row.email, row.locale, now, account_id=account_id)
        event = "password_changed" if encoded else "password_removed"
        await record(connection, event, account=account_id, address=address)

    async def _verified(
        self, connection: AsyncConnection, link: links.Link, now: int, address: str
    ) -> bool:
        mine = sa.and_(
            accounts.c.id == link.account_id, accounts.c.email_key == policy.key_of(link.email)
        )
        done = await connection.execute(
            accounts.update().where(mine).values(email_verified=True, updated_at=now)
        )
        await record(connection, "email_verified", account=link.account_id, address=address)
        return bool(done.rowcount)

    async def _moved(
        self, connection: AsyncConnection, link: links.Link, now: int, address: str
    ) -> bool:
        old = sa.select(accounts.c.email, accounts.c.locale).where(accounts.c.id == link.account_id)
        row = (await connection.execute(old)).first()
        if row is None:
            return False
        values = {"email": link.email, "email_key": policy.key_of(link.email)}
        mine = accounts.update().where(accounts.c.id == link.account_id)
        await connection.execute(mine.values(email_verified=True, updated_at=now, **values))
        await links.drop(connection, link.account_id)
        await enqueue(connection, "changed", row.email, row.locale, now, account_id=link.account_id)
        await record(connection, "email_changed", account=link.account_id, address=address)
        return True


async def _listed(
    connection: AsyncConnection, table: sa.Table, account_id: str, *names: str
) -> list[dict[str, Any]]:
    """Of a table of ways to log in, with the times that all have."""
    names = ("created_at", "used_at", *names)
    columns = [table.c[name] for name in names]
    query = sa.select(*columns).where(table.c.account_id == account_id).order_by(columns[0])
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


async def _drop_unproved(connection: AsyncConnection, account_id: str) -> int:
    """Whoever made the account before its address was confirmed may have been somebody else, and
    gets in no more by a passkey, an identity or a key of theirs. How much there was."""
    unproved = sa.select(accounts.c.id).where(
        accounts.c.id == account_id, ~accounts.c.email_verified
    )
    dropped = 0
    for column in (passkeys.c.account_id, identities.c.account_id, api_keys.c.owner_id):
        gone = await connection.execute(sa.delete(column.table).where(column.in_(unproved)))
        dropped += gone.rowcount
    return dropped
