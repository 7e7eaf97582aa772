"""Identities at other providers, and log-ins there that are under way."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0012"

big = sa.BigInteger


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "auth_identities",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False, index=True),
        needed("provider", sa.String(32)),
        needed("email", sa.String(254)),
        needed("created_at", big),
        needed("used_at", big),
    )
    op.create_table(
        "auth_trips",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("holder", sa.LargeBinary(32)),
        needed("provider", sa.String(32)),
        sa.Column("session_id", sa.String(32)),
        needed("onward", sa.Text),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
    op.create_table(
        "auth_found_identities",
        sa.Column("holder", sa.LargeBinary(32), primary_key=True),
        needed("issuer", sa.String(255)),
        needed("subject", sa.String(255)),
        needed("provider", sa.String(32)),
        needed("email", sa.String(254)),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
