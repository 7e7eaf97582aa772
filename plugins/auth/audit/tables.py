"""The table of the audit log."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

events = sa.Table(
    "auth_audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("event", sa.String(40), nullable=False, index=True),
    sa.Column("account_id", sa.String(32), index=True),
    sa.Column("client_id", sa.String(100), index=True),
    sa.Column("session_id", sa.String(32)),
    sa.Column("address", sa.String(45)),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("actor", sa.String(100), index=True),  # who did it to somebody else
)
