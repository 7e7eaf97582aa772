"""The table of what was used."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

used = sa.Table(
    "auth_used",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),  # of who signed it and its jti
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
