"""Clients that register themselves, and clients that are told of logouts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

big = sa.BigInteger


def needed(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **more)


def upgrade() -> None:
    op.create_table(
        "auth_initial_tokens",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("scopes", sa.String(1000)),
        needed("left", sa.Integer),
        needed("expires_at", big, index=True),
    )
    op.create_table(
        "auth_registrations",
        sa.Column("client_id", sa.String(32), primary_key=True),
        needed("hash", sa.LargeBinary(32)),
        needed("scopes", sa.String(1000)),
    )
    op.create_table(
        "auth_participants",
        sa.Column("session_id", sa.String(32), primary_key=True),
        sa.Column("client_id", sa.String(32), primary_key=True),
        needed("account_id", sa.String(32), index=True),
        needed("expires_at", big, index=True),
    )
    op.create_table(
        "auth_logouts",
        sa.Column("id", big().with_variant(sa.Integer, "sqlite"), primary_key=True),
        needed("session_id", sa.String(32)),
        needed("client_id", sa.String(32)),
        needed("account_id", sa.String(32)),
        needed("tries", sa.Integer),
        needed("next_at", big, index=True),
    )
