"""Sends what is in the outbox, each letter until it is taken, and never on a request's time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.accounts import links
from plugins.auth.accounts.policy import key_of
from plugins.auth.accounts.tables import accounts
from plugins.auth.mail.letters import written
from plugins.auth.mail.options import MailOptions
from plugins.auth.mail.tables import outbox
from plugins.auth.seldom import Seldom

Send = Callable[[EmailMessage], Awaitable[None]]
EVERY, CLAIMED, PATIENCE, TRIES, COUNTED = 0.5, 120, 30, 10, 10.0
PAGES = {
    "verify": "/verify",
    "change": "/verify",
    "reset": "/reset",
    "invite": "/account/organisations/join",
    "welcome": "/reset",
}
WARNINGS = frozenset({"guessed", "halfway"})
PLAIN = {"known": "/login", "nobody": "/register", "ending": "/account/keys"}

log = logging.getLogger("gateway.auth.mail")


class Postman:
    """A letter is claimed for two minutes, sent and crossed out. If a process ends in between,
    another sends it again. After ten failures over nine hours it is given up, and logged.

    told: `sent`, `later` or `given_up`, of each try.
    """

    def __init__(
        self,
        sql: Sql,
        issuer: str,
        sender: str,
        send: Send,
        clock: Callable[[], float] = time.time,
        *,
        place: str,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sql = sql
        self._issuer = issuer
        self._sender = sender
        self._place = place
        self._send = send
        self._clock = clock
        self._told = told
        self._waiting = 0

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled."""
        counted, away = 0.0, Seldom(log, "letters wait: %s")
        while True:
            try:
                while on_duty() and await self.deliver():
                    pass
                if self._clock() > counted + COUNTED:
                    counted = self._clock()
                    self._waiting = await self._count() if on_duty() else 0
            except BackendError as error:
                away.warn(error)
            await asyncio.sleep(EVERY)

    async def deliver(self) -> bool:
        """Whether there was a letter. Raises BackendError."""
        now = int(self._clock())
        due = sa.select(outbox.c.id).where(outbox.c.next_at <= now).order_by(outbox.c.next_at)
        async with self._sql.read() as connection:
            number = (await connection.execute(due.limit(1))).scalar()
        if number is None:
            return False
        claim = (
            outbox.update()
            .where(outbox.c.id == number, outbox.c.next_at <= now)
            .values(next_at=now + CLAIMED, tries=outbox.c.tries + 1)
            .returning(outbox)
        )
        async with self._sql.write() as connection:
            row = (await connection.execute(claim)).first()
        if row is None:
            return True  # another took it
        message = await self._letter(row, now)
        if message is None:
            await self._done(row)
            return True
        try:
            async with asyncio.timeout(PATIENCE):
                await self._send(message)
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, the letter stays
            await self._later(row, now, error)
        else:
            await self._done(row)
            self._told("sent")
        return True

    def waiting(self) -> int:
        """Letters to be sent, as of ten seconds ago at most; 0 where nobody is on duty."""
        return self._waiting

    async def _count(self) -> int:
        query = sa.select(sa.func.count()).select_from(outbox)
        async with self._sql.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def _letter(self, row: Any, now: int) -> EmailMessage | None:
        """None for one that is to nobody, or was taken back."""
        letter, account_id, to, locale = row.letter, row.account_id, row.email, row.locale
        async with self._sql.write() as connection:
            kept = sa.select(outbox.c.id).where(outbox.c.id == row.id).with_for_update()
            if (await connection.execute(kept)).first() is None:
                return None
            if letter in WARNINGS:
                found = await _whose(connection, row)
                if found is None:
                    return None
                to, locale = found.email, found.locale
            elif letter == "reset":
                found = await _whose(connection, row)
                letter = "reset" if found else "nobody"
                if found is not None:  # as the account has it, not as it was typed
                    account_id, to = found.id, found.email
            if letter in PAGES:
                token = await links.make(connection, letter, account_id, to, now)
                link = f"{self._issuer}{PAGES[letter]}?token={token}"
            else:
                link = self._issuer + PLAIN.get(letter, "/forgot")
        return written(letter, locale, link, to, self._sender, place=self._place)

    async def _done(self, row: Any) -> None:
        async with self._sql.write() as connection:
            await connection.execute(outbox.delete().where(outbox.c.id == row.id))

    async def _later(self, row: Any, now: int, error: Exception) -> None:
        kind = type(error).__name__
        if row.tries >= TRIES:
            log.error("a letter (%s) is given up after %d tries: %s", row.letter, row.tries, kind)
            await self._done(row)
            self._told("given_up")
            return
        log.warning("a letter (%s) is tried again later: %s", row.letter, kind)
        later = outbox.update().where(outbox.c.id == row.id)
        async with self._sql.write() as connection:
            await connection.execute(later.values(next_at=now + 30 * 2**row.tries))
        self._told("later")


async def _whose(connection: AsyncConnection, row: Any) -> Any:
    """The account that a letter is about, by its id or else its address."""
    mine = accounts.c.email_key == key_of(row.email)
    if row.account_id is not None:
        mine = accounts.c.id == row.account_id
    columns = (accounts.c.id, accounts.c.email, accounts.c.locale)
    return (await connection.execute(sa.select(*columns).where(mine, ~accounts.c.disabled))).first()


def transport(options: MailOptions) -> Send:
    return _by_smtp(options) if options.host else _print


async def _print(message: EmailMessage) -> None:
    print(  # noqa: T201 - the development's mailbox is standard output
        f"--- mail to {message['To']}: {message['Subject']}\n{message.get_content()}---", flush=True
    )


def _by_smtp(options: MailOptions) -> Send:
    async def send(message: EmailMessage) -> None:
        from aiosmtplib import send as smtp  # noqa: PLC0415 - only who sends by SMTP needs it

        await smtp(
            message,
            hostname=options.host,
            port=options.port,
            username=options.username or None,
            password=options.password or None,
            use_tls=options.tls == "implicit",
            start_tls=options.tls == "starttls",
            timeout=PATIENCE / 2,
        )

    return send
