"""The table of devices that wait for their person."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

device_codes = sa.Table(
    "auth_device_codes",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),  # of the device code
    sa.Column("user_code", sa.LargeBinary(32), nullable=False, unique=True),  # its SHA-256
    sa.Column("client_id", sa.String(32), nullable=False),
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # waiting, allowed, denied
    sa.Column("account_id", sa.String(32), index=True),  # who decided
    sa.Column("session_id", sa.String(32)),
    sa.Column("auth_time", sa.BigInteger),
    sa.Column("amr", sa.String(100)),
    sa.Column("acr", sa.String(100)),
    sa.Column("pause", sa.Integer, nullable=False),  # seconds between questions
    sa.Column("ask_at", sa.BigInteger, nullable=False),  # not before
    sa.Column("good_until", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
