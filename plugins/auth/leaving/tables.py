"""Tables of clients that are to hear of the end of a session, and of what they are to be told."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

participants = sa.Table(
    "auth_participants",
    metadata,
    sa.Column("session_id", sa.String(32), primary_key=True),
    sa.Column("client_id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

logouts = sa.Table(
    "auth_logouts",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("session_id", sa.String(32), nullable=False),
    sa.Column("client_id", sa.String(32), nullable=False),
    sa.Column("account_id", sa.String(32), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.BigInteger, nullable=False, index=True),
)
