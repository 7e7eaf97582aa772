"""Signing keys and clients."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

big = sa.BigInteger


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "auth_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kid", sa.String(43), nullable=False, unique=True),
        needed("algorithm", sa.String(8)),
        needed("sealed", sa.LargeBinary),
        needed("signs_at", big),
    )
    op.create_table(
        "auth_clients",
        sa.Column("id", sa.String(32), primary_key=True),
        needed("name", sa.String(200)),
        needed("method", sa.String(32)),
        needed("secret", sa.LargeBinary(32)),
        needed("grants", sa.String(200)),
        needed("scopes", sa.String(1000)),
        needed("created_at", big),
    )
    op.create_table(
        "auth_revoked",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("at", big, nullable=False, index=True),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
