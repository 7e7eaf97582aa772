"""The table of proofs that were used."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

proofs = sa.Table(
    "auth_dpop_proofs",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),  # of the key and the proof's jti
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
