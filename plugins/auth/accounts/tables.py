"""Tables of accounts, sessions and failed attempts."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

accounts = sa.Table(
    "auth_accounts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("email_key", sa.String(254), nullable=False, unique=True),
    sa.Column("email_verified", sa.Boolean, nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("locale", sa.String(8), nullable=False),
    sa.Column("password", sa.String(200)),
    sa.Column("roles", sa.String(1000), nullable=False),  # in alphabetical order, with spaces
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Index("ix_auth_accounts_created", "created_at", "id"),
)

sessions = sa.Table(
    "auth_sessions",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("auth_time", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("amr", sa.String(100), nullable=False),
    sa.Column("waiting", sa.Boolean, nullable=False),  # for the second factor
    sa.Column("address", sa.String(45), nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
)

attempts = sa.Table(
    "auth_attempts",
    metadata,
    sa.Column("key", sa.LargeBinary(32), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("open_at", sa.BigInteger, nullable=False),
    sa.Column("forget_at", sa.BigInteger, nullable=False, index=True),
)

links = sa.Table(
    "auth_links",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
