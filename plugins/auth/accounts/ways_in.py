"""Ways to log in that somebody has lost, taken away by operators: told, audited, sessions ended."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.operators import locked, note
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.audit.actor import Actor
from plugins.auth.factors.devices import forget_all
from plugins.auth.factors.held import drop_codes_of_none, drop_offered
from plugins.auth.factors.tables import passkeys, recovery_codes, totp
from plugins.auth.factors.totp import STEP
from plugins.auth.mail.outbox import enqueue
from plugins.auth.social.identities import connected_to
from plugins.auth.social.tables import identities

GONE = {"totp": ("totp_off", "factor"), "passkey": ("passkey_removed", "passkey_removed")}
"""The event and the letter of each kind: those of its person."""


class Factor(NamedTuple):
    """Times: UTC seconds since 1970; created_at is None for an app, used_at for what never was."""

    id: str
    kind: Literal["totp", "passkey"]
    name: str
    created_at: int | None
    used_at: int | None


class WaysIn:
    """Who has nothing left chooses a password by mail. clock: UTC seconds since 1970."""

    def __init__(
        self, sql: Sql, sessions: Sessions, clock: Callable[[], float] = time.time
    ) -> None:
        self._sql = sql
        self._sessions = sessions
        self._clock = clock

    async def factors(self, account_id: str) -> tuple[list[Factor], int]:
        """And how many recovery codes are left."""
        mine = recovery_codes.c.account_id == account_id
        codes = sa.select(sa.func.count()).select_from(recovery_codes).where(mine)
        async with self._sql.read() as connection:
            found = await _factors(connection, account_id)
            return list(found), int((await connection.execute(codes)).scalar_one())

    async def remove_factors(self, account_id: str, only: str | None, actor: Actor) -> int | None:
        """How many, of all of the account's or the one; None for no such account. With the last
        one the recovery codes go."""
        async with self._sql.write() as connection:
            account = await locked(connection, account_id)
            if account is None:
                return None
            held = await _factors(connection, account_id)
            gone = [each for each in held if only in {None, each.id}]
            for each in gone:
                await connection.execute(held[each])
                await note(connection, GONE[each.kind][0], account_id, actor)
            if only is None:
                await drop_offered(connection, account_id)
            if gone:
                await drop_codes_of_none(connection, account_id)
                kinds = {each.kind for each in gone}
                letter = GONE[kinds.pop()][1] if len(kinds) == 1 else "factor"
                await self._told(connection, account, letter)
        return len(gone)

    async def remove_identity(self, account_id: str, identity: str, actor: Actor) -> bool:
        """Whether it was the account's."""
        async with self._sql.write() as connection:
            account = await locked(connection, account_id)
            found = [] if account is None else await connected_to(connection, account_id)
            gone = next((each for each in found if each.id == identity), None)
            if gone is None:
                return False
            one = (identities.c.issuer == gone.issuer, identities.c.subject == gone.subject)
            await connection.execute(identities.delete().where(*one))
            event = "identity_disconnected"
            await note(connection, event, account_id, actor, provider=gone.provider)
            await self._told(connection, account, "identity")
        return True

    async def _told(self, connection: AsyncConnection, account: Any, letter: str) -> None:
        now, to = int(self._clock()), account.email
        await self._sessions.end_all(connection, account.id)
        await forget_all(connection, account.id)
        await enqueue(connection, letter, to, account.locale, now, account_id=account.id)


async def _factors(connection: AsyncConnection, account_id: str) -> dict[Factor, sa.Delete]:
    """Each with what takes it away. An app that was never confirmed is none."""
    app, keys = totp.c.account_id == account_id, passkeys.c.account_id == account_id
    found: dict[Factor, sa.Delete] = {}
    for row in await connection.execute(sa.select(totp).where(app, totp.c.confirmed)):
        found[Factor("totp", "totp", "", None, row.last_step * STEP)] = totp.delete().where(app)
    query = sa.select(passkeys).where(keys).order_by(passkeys.c.created_at, passkeys.c.id)
    for row in await connection.execute(query):
        short = hashlib.sha256(row.id).hexdigest()[:32]
        factor = Factor(short, "passkey", row.name, row.created_at, row.used_at or None)
        found[factor] = passkeys.delete().where(keys, passkeys.c.id == row.id)
    return found
