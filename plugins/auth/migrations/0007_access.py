"""Roles, groups, scopes, grants, service accounts, API keys and organisations.

The role `admin`, which was a word on accounts, may do everything.
"""

import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"

big = sa.BigInteger


def needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def times() -> list[sa.Column[Any]]:
    return [needed("created_at", big), needed("updated_at", big)]


def upgrade() -> None:
    roles = op.create_table(
        "auth_roles",
        sa.Column("name", sa.String(64), primary_key=True),
        needed("description", sa.String(200)),
        needed("permissions", sa.Text),
        *times(),
    )
    op.create_table(
        "auth_scopes",
        sa.Column("name", sa.String(100), primary_key=True),
        needed("description", sa.String(200)),
        needed("permissions", sa.Text),
        *times(),
    )
    op.create_table(
        "auth_groups",
        sa.Column("name", sa.String(64), primary_key=True),
        needed("description", sa.String(200)),
        needed("roles", sa.String(1000)),
        *times(),
    )
    op.create_table(
        "auth_group_members",
        sa.Column("group_name", sa.String(64), primary_key=True),
        sa.Column("principal_id", sa.String(32), primary_key=True, index=True),
    )
    op.create_table(
        "auth_permission_grants",
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("holder", sa.String(64), primary_key=True),
        sa.Column("permission", sa.String(400), primary_key=True, index=True),
        needed("created_at", big),
    )
    op.create_table(
        "auth_service_accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("client_id", sa.String(100), unique=True),
        needed("roles", sa.String(1000)),
        needed("disabled", sa.Boolean),
        *times(),
    )
    op.create_table(
        "auth_api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("owner_id", sa.String(32), nullable=False, index=True),
        needed("name", sa.String(100)),
        needed("hint", sa.String(12)),
        needed("scopes", sa.String(1000)),
        needed("created_at", big),
        sa.Column("expires_at", big, nullable=False, index=True),
        sa.Column("used_at", big),
    )
    op.create_table(
        "auth_organisations",
        sa.Column("id", sa.String(32), primary_key=True),
        needed("name", sa.String(100)),
        *times(),
    )
    op.create_table(
        "auth_memberships",
        sa.Column("organisation_id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), primary_key=True, index=True),
        needed("owner", sa.Boolean),
        needed("roles", sa.String(1000)),
        needed("joined_at", big),
    )
    op.create_table(
        "auth_invitations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("organisation_id", sa.String(32), nullable=False, index=True),
        needed("email", sa.String(254)),
        sa.Column("email_key", sa.String(254), nullable=False, index=True),
        needed("owner", sa.Boolean),
        needed("roles", sa.String(1000)),
        sa.Column("invited_by", sa.String(32)),
        needed("created_at", big),
        sa.Column("expires_at", big, nullable=False, index=True),
    )
    epoch = op.create_table(
        "auth_access_epoch",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        needed("number", big),
    )
    now = int(time.time())
    op.bulk_insert(epoch, [{"id": 1, "number": 0}])
    op.bulk_insert(
        roles,
        [
            {
                "name": "admin",
                "description": "Everything",
                "permissions": "**:*",
                "created_at": now,
                "updated_at": now,
            }
        ],
    )
