"""The table of pushed requests."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

pushed = sa.Table(
    "auth_pushed",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),  # of the reference
    sa.Column("client_id", sa.String(32), nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),  # JSON
    sa.Column("begun", sa.Boolean, nullable=False),  # a browser has come with it
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
