"""Tables of initial access tokens, and of clients that registered themselves."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

initial_tokens = sa.Table(
    "auth_initial_tokens",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("scopes", sa.String(1000), nullable=False),  # that clients may have, beyond PERSONAL
    sa.Column("left", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

registrations = sa.Table(
    "auth_registrations",
    metadata,
    sa.Column("client_id", sa.String(32), primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),  # of its registration access token
    sa.Column("scopes", sa.String(1000), nullable=False),  # that it may have
)
