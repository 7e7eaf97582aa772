"""Devices that are not asked for a code."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"

big = sa.BigInteger


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "auth_devices",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("account_id", sa.String(32), nullable=False, index=True),
        needed("created_at", big),
        needed("used_at", big),
        sa.Column("expires_at", big, nullable=False, index=True),
        needed("address", sa.String(45)),
        needed("agent", sa.String(200)),
    )
