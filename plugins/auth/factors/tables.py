"""Tables of second factors."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

totp = sa.Table(
    "auth_totp",
    metadata,
    sa.Column("account_id", sa.String(32), primary_key=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),  # sealed
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
)

recovery_codes = sa.Table(
    "auth_recovery_codes",
    metadata,
    sa.Column("account_id", sa.String(32), primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
)
