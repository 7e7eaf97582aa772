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

passkeys = sa.Table(
    "auth_passkeys",
    metadata,
    sa.Column("id", sa.LargeBinary(1023), primary_key=True),  # the authenticator's own
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("key", sa.LargeBinary, nullable=False),  # COSE, public
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger, nullable=False),  # 0: not yet
)

challenges = sa.Table(
    "auth_challenges",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("purpose", sa.String(8), nullable=False),
    sa.Column("holder", sa.LargeBinary(32), nullable=False),  # whose browser asked
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

devices = sa.Table(
    "auth_devices",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("address", sa.String(45), nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
)
