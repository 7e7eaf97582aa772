"""The table of clients."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

clients = sa.Table(
    "auth_clients",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("secret", sa.LargeBinary(32), nullable=False),  # SHA-256 of 256 random bits
    sa.Column("grants", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

revoked = sa.Table(
    "auth_revoked",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
