"""One-time links: 256 random bits in a mail, their SHA-256 here."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.accounts.tables import links
from plugins.auth.mail.tables import outbox

LASTS = {
    "verify": 86400,
    "change": 86400,
    "reset": 1800,
    "welcome": 86400,
    "invite": 90 * 86400,
}
"""Seconds by purpose. An invitation has an end of its own, and its links go with it;
to choose the first password (`welcome`) is to choose another, with more time."""


class Link(NamedTuple):
    """account_id: of an invitation's link, the invitation's id."""

    account_id: str
    email: str


async def make(
    connection: AsyncConnection, purpose: str, account_id: str, email: str, now: int
) -> str:
    token = secrets.token_urlsafe(32)
    await connection.execute(
        links.insert().values(
            hash=_hash(token),
            purpose="reset" if purpose == "welcome" else purpose,
            account_id=account_id,
            email=email,
            expires_at=now + LASTS[purpose],
        )
    )
    return token


async def take(connection: AsyncConnection, purpose: str, token: str, now: int) -> Link | None:
    """What the link stands for: to one of all who take it at once, to the others None."""
    gone = (
        links.delete()
        .where(links.c.hash == _hash(token), links.c.purpose == purpose)
        .where(links.c.expires_at > now)
        .returning(links.c.account_id, links.c.email)
    )
    row = (await connection.execute(gone)).first()
    return Link(row.account_id, row.email) if row is not None else None


async def works(connection: AsyncConnection, purpose: str, token: str, now: int) -> bool:
    return await seen(connection, purpose, token, now) is not None


async def seen(connection: AsyncConnection, purpose: str, token: str, now: int) -> Link | None:
    """What the link stands for; it can be taken still."""
    query = sa.select(links.c.account_id, links.c.email).where(
        links.c.hash == _hash(token), links.c.purpose == purpose, links.c.expires_at > now
    )
    row = (await connection.execute(query)).first()
    return Link(row.account_id, row.email) if row is not None else None


async def drop(connection: AsyncConnection, account_id: str) -> None:
    """All links of the account, and those of letters that wait to be sent."""
    mine, linked = outbox.c.account_id == account_id, outbox.c.letter.in_(LASTS)
    await connection.execute(outbox.delete().where(mine, linked))
    await connection.execute(links.delete().where(links.c.account_id == account_id))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
