"""Passkeys and the challenges they answer."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"

big = sa.BigInteger


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "auth_passkeys",
        sa.Column("id", sa.LargeBinary(1023), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False, index=True),
        needed("key", sa.LargeBinary),
        needed("sign_count", big),
        needed("name", sa.String(100)),
        needed("created_at", big),
        needed("used_at", big),
    )
    op.create_table(
        "auth_challenges",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("purpose", sa.String(8)),
        needed("holder", sa.LargeBinary(32)),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
