"""The table of signing keys."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

keys = sa.Table(
    "auth_keys",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, 3, ...
    sa.Column("kid", sa.String(43), nullable=False, unique=True),
    sa.Column("algorithm", sa.String(8), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # PKCS #8 DER, encrypted at rest
    sa.Column("signs_at", sa.BigInteger, nullable=False),
)
