"""Invitations into organisations: by mail, for one address, once, for a while."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.errors import Missing, TooMany
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.organisations import join
from plugins.auth.access.roles import existing
from plugins.auth.access.tables import invitations, organisations
from plugins.auth.accounts import links, policy
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.attempts import Attempts
from plugins.auth.accounts.directory import LETTERS_FREE
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch
from plugins.auth.mail.outbox import enqueue

OPEN = 200
"""Invitations of one organisation at a time."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """organisation: its name. Times: UTC seconds since 1970."""

    id: str
    organisation_id: str
    organisation: str
    email: str
    owner: bool
    roles: tuple[str, ...]
    created_at: int
    expires_at: int


class Invitations:
    """by: the account that invites. actor: who does it, as the audit log has it. clock: UTC
    seconds since 1970."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        options: AccessOptions,
        attempts: Attempts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._options = options
        self._attempts = attempts
        self._clock = clock

    async def page(
        self, organisation_id: str, *, after: str = "", limit: int = 100
    ) -> list[Invitation]:
        """Those that are open, in the order of ids, those after one."""
        its_own = invitations.c.organisation_id == organisation_id
        return await self._open(its_own, invitations.c.id > after, limit=limit)

    async def for_address(self, email: str) -> list[Invitation]:
        """Those that are open; the caller has made sure that the address is theirs."""
        return await self._open(invitations.c.email_key == policy.key_of(email), limit=100)

    async def by_link(self, token: str) -> Invitation | None:
        """What a mailed link stands for, while it is open."""
        now = int(self._clock())
        async with self._sql.read() as connection:
            link = await links.seen(connection, "invite", token, now)
        if link is None:
            return None
        found = await self._open(invitations.c.id == link.account_id, limit=1)
        return found[0] if found else None

    async def invite(
        self,
        organisation_id: str,
        email: str,
        *,
        owner: bool = False,
        roles: Iterable[str] = (),
        locale: str = "en",
        by: str | None = None,
        actor: str | None = None,
    ) -> Invitation | None:
        """A letter; None when the address had too many, or who invites has sent too many. One that
        is open is replaced.

        Raises BadEmail, ValueError, Missing and TooMany.
        """
        email, now = policy.address_of(email), int(self._clock())
        key = policy.key_of(email)
        values = {
            "id": secrets.token_hex(16),
            "organisation_id": organisation_id,
            "email": email,
            "email_key": key,
            "owner": owner,
            "invited_by": by,
            "created_at": now,
            "expires_at": now + self._options.invitation_lifetime,
        }
        async with self._sql.write() as connection:
            its = sa.select(organisations.c.name).where(organisations.c.id == organisation_id)
            name = (await connection.execute(its.with_for_update())).scalar()
            if name is None:
                raise Missing("there is no such organisation")
            counted = [(f"letter {key}", LETTERS_FREE), (f"letters of {by}", OPEN)]
            for subject, free in counted if by else counted[:1]:
                if await self._attempts.begin(connection, subject, free):
                    return None
            mine = invitations.c.organisation_id == organisation_id
            before = invitations.delete().where(mine, invitations.c.email_key == key)
            await connection.execute(before)
            count = sa.select(sa.func.count()).select_from(invitations).where(mine)
            if (await connection.execute(count)).scalar_one() >= OPEN:
                raise TooMany(f"{OPEN} open invitations at most")
            kept = await existing(connection, roles)
            await connection.execute(invitations.insert().values(**values, roles=kept))
            await enqueue(connection, "invite", email, locale, now, account_id=str(values["id"]))
            await record(
                connection,
                "invited",
                account=by,
                actor=actor,
                organisation=organisation_id,
                email=email,
            )
        return _invitation(values["id"], name, {**values, "roles": kept})

    async def withdraw(
        self,
        organisation_id: str,
        invitation_id: str,
        *,
        by: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """Whether it was open."""
        gone = invitations.delete().where(
            invitations.c.id == invitation_id, invitations.c.organisation_id == organisation_id
        )
        async with self._sql.write() as connection:
            found = (await connection.execute(gone)).rowcount
            if found:
                await links.drop(connection, invitation_id)
                await record(
                    connection,
                    "invitation_withdrawn",
                    account=by,
                    actor=actor,
                    organisation=organisation_id,
                )
        return bool(found)

    async def accept(self, invitation_id: str, account: Account) -> str | None:
        """The organisation's id: to one of all who take it at once, to the others None.

        Only for the address that was invited, and only once it is confirmed.
        """
        if not account.email_verified:
            return None
        now = int(self._clock())
        async with self._epoch.write() as connection:
            its = sa.select(invitations.c.organisation_id).where(invitations.c.id == invitation_id)
            organisation_id: str | None = (await connection.execute(its)).scalar()
            here = sa.select(organisations.c.id).where(organisations.c.id == organisation_id)
            await connection.execute(here.with_for_update())
            taken = invitations.delete().where(
                invitations.c.id == invitation_id,
                invitations.c.email_key == policy.key_of(account.email),
                invitations.c.expires_at > now,
            )
            row = (await connection.execute(taken.returning(invitations))).first()
            if row is None:
                return None
            await links.drop(connection, invitation_id)
            membership = {
                "organisation_id": row.organisation_id,
                "account_id": account.id,
                "owner": row.owner,
                "roles": row.roles,
                "joined_at": now,
            }
            await join(connection, self._sql, membership, None)
        return organisation_id

    async def decline(self, invitation_id: str, account: Account) -> bool:
        """Whether it was open, and theirs."""
        if not account.email_verified:
            return False
        gone = invitations.delete().where(
            invitations.c.id == invitation_id,
            invitations.c.email_key == policy.key_of(account.email),
        )
        async with self._sql.write() as connection:
            row = (await connection.execute(gone.returning(invitations.c.organisation_id))).first()
            if row is not None:
                await links.drop(connection, invitation_id)
                await record(
                    connection,
                    "invitation_declined",
                    account=account.id,
                    organisation=row.organisation_id,
                )
        return row is not None

    async def _open(self, *which: sa.ColumnElement[bool], limit: int) -> list[Invitation]:
        query = (
            sa.select(invitations, organisations.c.name)
            .join(organisations, organisations.c.id == invitations.c.organisation_id)
            .where(*which, invitations.c.expires_at > int(self._clock()))
            .order_by(invitations.c.id)
            .limit(limit)
        )
        async with self._sql.read() as connection:
            found = await connection.execute(query)
            return [_invitation(row.id, row.name, row._mapping) for row in found]


def _invitation(invitation_id: Any, organisation: str, row: Any) -> Invitation:
    return Invitation(
        invitation_id,
        row["organisation_id"],
        organisation,
        row["email"],
        row["owner"],
        tuple(row["roles"].split()),
        row["created_at"],
        row["expires_at"],
    )
