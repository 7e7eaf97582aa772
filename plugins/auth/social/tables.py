"""Identities at other providers, and log-ins there that are under way."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.tables import metadata

identities = sa.Table(
    "auth_identities",
    metadata,
    sa.Column("issuer", sa.String(255), primary_key=True),
    sa.Column("subject", sa.String(255), primary_key=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("provider", sa.String(32), nullable=False),  # as the configuration names it
    sa.Column("email", sa.String(254), nullable=False),  # as it was there last; may be empty
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger, nullable=False),
)

trips = sa.Table(
    "auth_trips",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),  # of the state
    sa.Column("holder", sa.LargeBinary(32), nullable=False),  # whose browser left
    sa.Column("provider", sa.String(32), nullable=False),
    sa.Column("session_id", sa.String(32)),  # that an identity is to be connected to
    sa.Column("onward", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

found = sa.Table(
    "auth_found_identities",
    metadata,
    sa.Column("holder", sa.LargeBinary(32), primary_key=True),  # whose browser brought it
    sa.Column("issuer", sa.String(255), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("provider", sa.String(32), nullable=False),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)


async def connected(connection: AsyncConnection, account_id: str) -> int:
    """How many identities the account has."""
    mine = identities.c.account_id == account_id
    query = sa.select(sa.func.count()).select_from(identities).where(mine)
    return int((await connection.execute(query)).scalar_one())
