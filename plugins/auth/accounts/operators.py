"""What operators do to the accounts of others, each in one transaction with its line in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access.roles import existing
from plugins.auth.accounts import links, policy
from plugins.auth.accounts.account import Account, account_of
from plugins.auth.accounts.admins import admin_kept
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch
from plugins.auth.factors.held import drop_offered
from plugins.auth.mail.outbox import enqueue


class Operators:
    """The last admin is never disabled, deleted or deprived of the role."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        directory: Directory,
        sessions: Sessions,
        changes: Changes,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._directory = directory
        self._sessions = sessions
        self._changes = changes
        self._clock = clock

    async def invite(
        self, email: str, name: str, locale: str, roles: Iterable[str], actor: Actor
    ) -> Account | None:
        """An account without a password, and a letter by which its owner chooses one.

        None when the address has an account. Raises BadEmail, Missing and ValueError.
        """
        email, now = policy.address_of(email), int(self._clock())
        values = {
            "id": secrets.token_hex(16),
            "email": email,
            "email_key": policy.key_of(email),
            "email_verified": False,
            "name": name,
            "locale": locale,
            "disabled": False,
            "created_at": now,
            "updated_at": now,
        }
        async with self._sql.write() as connection:
            kept = await existing(connection, roles)
            adding = insert(self._sql, accounts).values(**values, roles=kept)
            once = adding.on_conflict_do_nothing(index_elements=[accounts.c.email_key])
            row = (await connection.execute(once.returning(accounts))).first()
            if row is None:
                return None
            await enqueue(connection, "welcome", email, locale, now, account_id=row.id)
            await note(connection, "user_invited", row.id, actor, roles=row.roles)
        return account_of(row)

    async def give_role(self, account_id: str, role: str, actor: Actor) -> Account | None:
        """Beside those that the account has by then. None and raises: as `update`."""
        return await self._update(account_id, {}, actor, lambda held: held | {role})

    async def take_role(self, account_id: str, role: str, actor: Actor) -> Account | None:
        """Of those that the account has by then. None and raises: as `update`."""
        return await self._update(account_id, {}, actor, lambda held: held - {role})

    async def update(
        self, account_id: str, changed: Mapping[str, Any], actor: Actor
    ) -> Account | None:
        """changed: some of name, locale, email, roles and disabled; None for no such account.

        Who is disabled is logged out everywhere; another address has to be confirmed. Raises
        BadEmail, LastAdmin, Missing and ValueError for roles, and Conflict when another account
        has the address.
        """
        values = dict(changed)
        roles = values.pop("roles", None)
        becoming = None if roles is None else lambda _held: frozenset(roles)
        return await self._update(account_id, values, actor, becoming)

    async def _update(
        self,
        account_id: str,
        values: dict[str, Any],
        actor: Actor,
        roles: Callable[[frozenset[str]], frozenset[str]] | None,
    ) -> Account | None:
        """roles: those from now on, given those until now."""
        changed = {*values, *(["roles"] if roles else [])}
        if "email" in values:
            values["email"] = policy.address_of(values["email"])
            values |= {"email_key": policy.key_of(values["email"]), "email_verified": False}
        now = int(self._clock())
        mine = accounts.c.id == account_id
        async with self._epoch.write() as connection:
            before = await locked(connection, account_id)
            if before is None:
                return None
            if roles is not None:
                held = frozenset(before.roles.split())
                values["roles"] = await existing(connection, roles(held))
            change = accounts.update().where(mine).values(**values, updated_at=now)
            async with admin_kept(connection, mine):
                row = (await connection.execute(change.returning(accounts))).one()
                if row.disabled:
                    await self._changes.left(connection, account_id)
            if row.email_key != before.email_key:
                await self._moved(connection, before, row, now)
            known = {"roles": row.roles} if "roles" in changed else {}
            what = {"fields": " ".join(sorted(changed)), **known}
            await note(connection, _event(changed, row), account_id, actor, **what)
        return account_of(row)

    async def require_reset(self, account_id: str, actor: Actor) -> bool:
        """The password is no more, all sessions end, and a letter says how to choose another.

        Whether there is such an account."""
        now = int(self._clock())
        mine = accounts.update().where(accounts.c.id == account_id)
        change = mine.values(password=None, updated_at=now).returning(accounts)
        async with self._sql.write() as connection:
            row = (await connection.execute(change)).first()
            if row is None:
                return False
            await self._changes.left(connection, account_id)
            await drop_offered(connection, account_id)
            await links.drop(connection, account_id)
            await enqueue(connection, "reset", row.email, row.locale, now, account_id=account_id)
            await note(connection, "password_reset_required", account_id, actor)
        return True

    async def unlock(self, account: Account, actor: Actor) -> None:
        """Failures of this account are forgotten; those of addresses are not."""
        async with self._sql.write() as connection:
            subject = f"password {policy.key_of(account.email)}"
            await self._directory.attempts.succeeded(connection, subject)
            await note(connection, "user_unlocked", account.id, actor)

    async def delete(self, account_id: str, actor: Actor) -> bool:
        """Whether there was such an account. Raises LastAdmin."""
        async with self._epoch.write() as connection:
            if await locked(connection, account_id) is None:
                return False
            async with admin_kept(connection, accounts.c.id == account_id):
                await self._changes.removed(connection, account_id)
            await note(connection, "user_deleted", account_id, actor)
        return True

    async def end_sessions(self, account_id: str, session_id: str | None, actor: Actor) -> int:
        """How many ended: of all of the account's, or the one."""
        async with self._sql.write() as connection:
            ended = await self._sessions.end_all(connection, account_id, only=session_id)
            if ended:
                await note(connection, "sessions_revoked", account_id, actor, count=len(ended))
        return len(ended)

    async def _moved(self, connection: AsyncConnection, before: Any, row: Any, now: int) -> None:
        await links.drop(connection, row.id)
        for letter, to in (("verify", row.email), ("changed", before.email)):
            await enqueue(connection, letter, to, row.locale, now, account_id=row.id)


async def locked(connection: AsyncConnection, account_id: str) -> Any:
    """Its row, which stays as it is until the block ends."""
    one = sa.select(accounts).where(accounts.c.id == account_id)
    return (await connection.execute(one.with_for_update())).first()


def _event(changed: set[str], row: Any) -> str:
    if changed == {"disabled"}:
        return "user_disabled" if row.disabled else "user_enabled"
    return "user_updated"


async def note(
    connection: AsyncConnection, event: str, account: str, actor: Actor, **details: Any
) -> None:
    name, address = actor
    await record(connection, event, account=account, address=address, actor=name, **details)
