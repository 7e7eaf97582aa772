"""Accounts, sessions, attempts, links, mails, second factors and the audit log."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

big = sa.BigInteger
number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "auth_accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        needed("email", sa.String(254)),
        sa.Column("email_key", sa.String(254), nullable=False, unique=True),
        needed("email_verified", sa.Boolean),
        needed("name", sa.String(200)),
        needed("locale", sa.String(8)),
        sa.Column("password", sa.String(200)),
        needed("roles", sa.String(1000)),
        needed("disabled", sa.Boolean),
        needed("created_at", big),
        needed("updated_at", big),
    )
    op.create_table(
        "auth_sessions",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("account_id", sa.String(32), nullable=False, index=True),
        needed("auth_time", big),
        needed("created_at", big),
        needed("seen_at", big),
        sa.Column("expires_at", big, nullable=False, index=True),
        needed("amr", sa.String(100)),
        needed("waiting", sa.Boolean),
        needed("address", sa.String(45)),
        needed("agent", sa.String(200)),
    )
    op.create_table(
        "auth_attempts",
        sa.Column("key", sa.LargeBinary(32), primary_key=True),
        needed("count", sa.Integer),
        needed("open_at", big),
        sa.Column("forget_at", big, nullable=False, index=True),
    )
    op.create_table(
        "auth_links",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("purpose", sa.String(16)),
        sa.Column("account_id", sa.String(32), nullable=False, index=True),
        needed("email", sa.String(254)),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
    op.create_table(
        "auth_outbox",
        sa.Column("id", number, primary_key=True),
        needed("letter", sa.String(16)),
        needed("email", sa.String(254)),
        sa.Column("account_id", sa.String(32)),
        needed("locale", sa.String(8)),
        needed("tries", sa.Integer),
        sa.Column("next_at", big, nullable=False, index=True),
    )
    op.create_table(
        "auth_totp",
        sa.Column("account_id", sa.String(32), primary_key=True),
        needed("secret", sa.LargeBinary),
        needed("confirmed", sa.Boolean),
        needed("last_step", big),
    )
    op.create_table(
        "auth_recovery_codes",
        sa.Column("account_id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    )
    op.create_table(
        "auth_audit",
        sa.Column("id", number, primary_key=True),
        sa.Column("at", big, nullable=False, index=True),
        needed("event", sa.String(40)),
        sa.Column("account_id", sa.String(32), index=True),
        sa.Column("client_id", sa.String(100)),
        sa.Column("session_id", sa.String(32)),
        sa.Column("address", sa.String(45)),
        needed("details", sa.Text),
    )
