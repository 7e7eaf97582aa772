"""In by the first factor: what was counted is forgiven, and the session begins."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from aiohttp import web

from backends.sql import Sql
from plugins.auth.accounts.directory import WRONG, Directory, Proved
from plugins.auth.accounts.errors import WrongPassword
from plugins.auth.accounts.sessions import Opened, Sessions
from plugins.auth.factors.devices import Devices
from plugins.auth.factors.held import held, lock
from plugins.auth.factors.tables import passkeys


class Entered(NamedTuple):
    """second: whether there is a second factor; the session waits for it or knows the device."""

    opened: Opened
    second: bool


class Entering:
    """One transaction: no session begins by a password, or past a factor, of a moment ago."""

    def __init__(
        self, sql: Sql, directory: Directory, sessions: Sessions, devices: Devices
    ) -> None:
        self._sql = sql
        self._directory = directory
        self._sessions = sessions
        self._devices = devices

    async def enter(
        self,
        request: web.Request,
        account_id: str,
        amr: tuple[str, ...],
        *,
        proved: Proved | None = None,
        anew: bool = False,
        auth_time: int | None = None,
    ) -> Entered:
        """proved: by a password. anew: a second factor is asked for on a known device too.

        Raises WrongPassword when it is another by now.
        """
        entered = None
        async with self._sql.write() as connection:
            if proved is None:
                await lock(connection, account_id)
            if proved is None or await self._directory.accept(connection, proved):
                second = any(await held(connection, account_id))
                waiting = second and (
                    anew or not await self._devices.knows(connection, request, account_id)
                )
                opened = await self._sessions.open(
                    connection,
                    request,
                    account_id,
                    amr=amr,
                    waiting=waiting,
                    auth_time=auth_time,
                )
                assert opened is not None  # which is for those that have to go on
                entered = Entered(opened, second)
        if entered is None:
            raise WrongPassword(WRONG)
        return entered

    async def by_passkey(self, request: web.Request, account_id: str, passkey_id: bytes) -> Opened:
        """By one that has just proved the account. Raises WrongPassword when it is gone by now."""
        there = sa.select(passkeys.c.id).where(
            passkeys.c.id == passkey_id, passkeys.c.account_id == account_id
        )
        opened = None
        async with self._sql.write() as connection:
            await lock(connection, account_id)
            if (await connection.execute(there)).first() is not None:
                opened = await self._sessions.open(connection, request, account_id, amr=("hwk",))
        if opened is None:
            raise WrongPassword("no such passkey")
        return opened
