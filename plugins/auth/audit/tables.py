"""The table of the audit log."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

events = sa.Table(
    "auth_audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("account_id", sa.String(32), index=True),
    sa.Column("client_id", sa.String(100)),
    sa.Column("session_id", sa.String(32)),
    sa.Column("address", sa.String(45)),
    sa.Column("details", sa.Text, nullable=False),
)
