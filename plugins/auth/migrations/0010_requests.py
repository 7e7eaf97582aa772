"""Pushed requests, and devices that wait for their person."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"

big = sa.BigInteger


def needed(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **more)


def upgrade() -> None:
    op.create_table(
        "auth_pushed",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("client_id", sa.String(32)),
        needed("parameters", sa.Text),
        needed("begun", sa.Boolean),
        needed("expires_at", big, index=True),
    )
    op.create_table(
        "auth_device_codes",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("user_code", sa.LargeBinary(32), unique=True),
        needed("client_id", sa.String(32)),
        needed("scopes", sa.String(1000)),
        needed("state", sa.String(8)),
        sa.Column("account_id", sa.String(32), index=True),
        sa.Column("session_id", sa.String(32)),
        sa.Column("auth_time", big),
        sa.Column("amr", sa.String(100)),
        sa.Column("acr", sa.String(100)),
        needed("pause", sa.Integer),
        needed("ask_at", big),
        needed("good_until", big),
        needed("expires_at", big, index=True),
    )
