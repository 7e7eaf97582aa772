"""Identities at other providers, each of one account; and whether one lets somebody in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts import policy
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.directory import LETTERS_FREE, Directory
from plugins.auth.accounts.errors import BadEmail
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.audit.log import record
from plugins.auth.factors.held import held, lock
from plugins.auth.mail.outbox import enqueue
from plugins.auth.social.person import Person
from plugins.auth.social.tables import found, identities
from plugins.auth.social.trips import LASTS, digest


class Kept(Enum):
    """Why somebody whom a provider vouches for is not let in."""

    KNOWN = "known"  # the address has an account, whose owner is to prove that it is the same
    NOBODY = "nobody"  # no account, and none is made
    LETTER = "letter"  # a letter says how to go on, whether or not there is an account
    UNVERIFIED = "unverified"
    DISABLED = "disabled"


class Identity(NamedTuple):
    """id: for forms. email: what the provider said last."""

    id: str
    issuer: str
    subject: str
    provider: str
    email: str
    created_at: int
    used_at: int


class Identities:
    """clock: UTC seconds since 1970."""

    def __init__(
        self,
        sql: Sql,
        options: AccountOptions,
        directory: Directory,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._options = options
        self._directory = directory
        self._clock = clock

    async def enter(
        self, person: Person, provider: str, address: str, locale: str
    ) -> Account | Kept:
        """The account of this identity; a new one for a new person.

        An account that is there is never taken by its e-mail address, verified or not.
        """
        known = await self._known(person)
        if known is not None:
            return known
        try:
            email = policy.address_of(person.email)
        except BadEmail:
            return Kept.NOBODY
        if not self._options.registration:
            return Kept.NOBODY
        made = await self._join(person, email, provider, address, locale)
        if not person.email_verified:
            return Kept.LETTER
        if made is None:  # or the same person came twice at once
            return await self._known(person) or Kept.KNOWN
        return await self._directory.get(made) or Kept.DISABLED

    async def connect(self, account: Account, person: Person, provider: str, address: str) -> bool:
        """To an account whose owner has just proved to be that. False: it is another's."""
        async with self._sql.write() as connection:
            if await self._add(connection, account.id, person, provider):
                await self._tell(connection, account, "identity_connected", provider, address)
                return True
            mine = _is(person).where(identities.c.account_id == account.id)
            return (await connection.execute(mine)).first() is not None

    async def disconnect(self, account: Account, identity: str, address: str) -> bool:
        """False if it is none of the account's, or the last way to log in.

        The account's row is locked meanwhile, so that two cannot go at once as each other's last.
        """
        async with self._sql.write() as connection:
            has_password = await lock(connection, account.id)
            rows = await connected_to(connection, account.id)
            gone = next((each for each in rows if each.id == identity), None)
            if gone is None or not (
                has_password or len(rows) > 1 or (await held(connection, account.id)).passkeys
            ):
                return False
            await connection.execute(
                identities.delete().where(
                    identities.c.issuer == gone.issuer, identities.c.subject == gone.subject
                )
            )
            await self._tell(connection, account, "identity_disconnected", gone.provider, address)
        return True

    async def of_account(self, account_id: str) -> list[Identity]:
        async with self._sql.read() as connection:
            return await connected_to(connection, account_id)

    async def keep(self, holder: str, person: Person, provider: str) -> None:
        """For whoever logs in with this browser within ten minutes and says that it is theirs."""
        values = {
            "issuer": person.issuer,
            "subject": person.subject,
            "provider": provider,
            "email": person.email,
            "expires_at": int(self._clock()) + LASTS,
        }
        add = insert(self._sql, found).values(holder=digest(holder), **values)
        async with self._sql.write() as connection:
            await connection.execute(
                add.on_conflict_do_update(index_elements=[found.c.holder], set_=values)
            )

    async def kept(self, holder: str) -> tuple[Person, str] | None:
        """And its provider."""
        query = sa.select(found).where(*self._waits(holder))
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (_person(row), row.provider)

    async def take(self, holder: str) -> tuple[Person, str] | None:
        """To one of those who take it at once."""
        gone = found.delete().where(*self._waits(holder)).returning(found)
        async with self._sql.write() as connection:
            row = (await connection.execute(gone)).first()
        return None if row is None else (_person(row), row.provider)

    async def failed(self, provider: str, address: str) -> None:
        async with self._sql.write() as connection:
            await record(connection, "login_failed", address=address, provider=provider)

    async def _known(self, person: Person) -> Account | Kept | None:
        values: dict[str, object] = {"used_at": int(self._clock())}
        if person.email:
            values["email"] = person.email
        mine = identities.update().where(*_same(person)).values(values)
        async with self._sql.write() as connection:
            query = mine.returning(identities.c.account_id)
            account_id = (await connection.execute(query)).scalar()
        account = await self._directory.get(account_id) if account_id else None
        if account is None:
            return None
        if account.disabled:
            return Kept.DISABLED
        if not account.email_verified and (
            self._options.verified_email or not account.has_password
        ):
            return Kept.UNVERIFIED
        return account

    async def _join(
        self, person: Person, email: str, provider: str, address: str, locale: str
    ) -> str | None:
        """An account without a password and its identity; None if the address has one."""
        now, verified = int(self._clock()), person.email_verified
        async with self._sql.write() as connection:
            made = await self._directory.add(
                connection, email, None, name=person.name, locale=locale, verified=verified
            )
            if made is not None:
                await self._add(connection, made, person, provider)
            event = "registered" if made else "registered_again"
            await record(connection, event, account=made, address=address, provider=provider)
            if not verified:
                subject = f"letter {policy.key_of(email)}"
                wait = await self._directory.attempts.begin(connection, subject, LETTERS_FREE)
                if made or not wait:
                    letter = "verify" if made else "known"
                    await enqueue(connection, letter, email, locale, now, account_id=made)
        return made

    async def _add(
        self, connection: AsyncConnection, account_id: str, person: Person, provider: str
    ) -> bool:
        now = int(self._clock())
        values = {
            "issuer": person.issuer,
            "subject": person.subject,
            "account_id": account_id,
            "provider": provider,
            "email": person.email,
            "created_at": now,
            "used_at": now,
        }
        add = insert(self._sql, identities).values(values).on_conflict_do_nothing()
        return (await connection.execute(add.returning(identities.c.subject))).first() is not None

    async def _tell(
        self, connection: AsyncConnection, account: Account, event: str, provider: str, address: str
    ) -> None:
        now = int(self._clock())
        await record(connection, event, account=account.id, address=address, provider=provider)
        await enqueue(
            connection, "identity", account.email, account.locale, now, account_id=account.id
        )

    def _waits(self, holder: str) -> tuple[sa.ColumnElement[bool], ...]:
        now = int(self._clock())
        return (found.c.holder == digest(holder), found.c.expires_at > now)


async def connected_to(connection: AsyncConnection, account_id: str) -> list[Identity]:
    mine = sa.select(identities).where(identities.c.account_id == account_id)
    query = mine.order_by(identities.c.created_at, identities.c.subject).limit(100)
    return [
        Identity(
            _id(row.issuer, row.subject),
            row.issuer,
            row.subject,
            row.provider,
            row.email,
            row.created_at,
            row.used_at,
        )
        for row in await connection.execute(query)
    ]


def _same(person: Person) -> tuple[sa.ColumnElement[bool], ...]:
    return (identities.c.issuer == person.issuer, identities.c.subject == person.subject)


def _is(person: Person) -> sa.Select[tuple[str]]:
    return sa.select(identities.c.account_id).where(*_same(person))


def _person(row: Any) -> Person:
    return Person(row.issuer, row.subject, row.email)


def _id(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()[:32]
