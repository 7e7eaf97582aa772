"""What else a client is; codes, grants with their refresh tokens, and consents."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0013"

big = sa.BigInteger


def needed(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **more)


def proved() -> list[sa.Column[Any]]:
    """How the person logged in, and the key that the client proves it has."""
    return [
        needed("auth_time", big),
        needed("amr", sa.String(100)),
        needed("acr", sa.String(100)),
        needed("jkt", sa.String(43)),
    ]


def upgrade() -> None:
    for column in (
        needed("redirect_uris", sa.Text, server_default=""),
        needed("first_party", sa.Boolean, server_default=sa.false()),
        needed("introspector", sa.Boolean, server_default=sa.false()),
        needed("audience", sa.String(1000), server_default=""),
        needed("metadata", sa.Text, server_default="{}"),
    ):
        op.add_column("auth_clients", column)
    op.create_table(
        "auth_codes",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        needed("grant_id", sa.String(32)),
        needed("client_id", sa.String(32)),
        needed("account_id", sa.String(32), index=True),
        needed("session_id", sa.String(32)),
        needed("redirect_uri", sa.Text),
        needed("challenge", sa.String(43)),
        needed("scopes", sa.String(1000)),
        needed("nonce", sa.Text),
        *proved(),
        needed("used", sa.Boolean),
        needed("good_until", big),
        needed("expires_at", big, index=True),
    )
    op.create_table(
        "auth_grants",
        sa.Column("id", sa.String(32), primary_key=True),
        needed("client_id", sa.String(32), index=True),
        needed("account_id", sa.String(32), index=True),
        needed("session_id", sa.String(32), index=True),
        needed("offline", sa.Boolean),
        needed("scopes", sa.String(1000)),
        *proved(),
        sa.Column("current", sa.LargeBinary(32)),
        sa.Column("previous", sa.LargeBinary(32)),
        needed("rotated_at", big),
        needed("created_at", big),
        needed("ends_at", big),
        needed("expires_at", big, index=True),
    )
    op.create_table(
        "auth_consents",
        sa.Column("account_id", sa.String(32), primary_key=True),
        sa.Column("client_id", sa.String(32), primary_key=True),
        needed("scopes", sa.String(1000)),
        needed("at", big),
    )
