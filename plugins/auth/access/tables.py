"""Tables of roles and of those who hold them.

Lists of names and permissions are in alphabetical order, with spaces. A principal is an account
or a service account; the ids of both are drawn from the same 128 random bits.
"""

import sqlalchemy as sa

from plugins.auth.tables import metadata

roles = sa.Table(
    "auth_roles",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("permissions", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

scopes = sa.Table(
    "auth_scopes",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("permissions", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

groups = sa.Table(
    "auth_groups",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("roles", sa.String(1000), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

group_members = sa.Table(
    "auth_group_members",
    metadata,
    sa.Column("group_name", sa.String(64), primary_key=True),
    sa.Column("principal_id", sa.String(32), primary_key=True, index=True),
)

grants = sa.Table(
    "auth_permission_grants",
    metadata,
    sa.Column("kind", sa.String(10), primary_key=True),  # of the holder: principal or group
    sa.Column("holder", sa.String(64), primary_key=True),
    sa.Column("permission", sa.String(400), primary_key=True, index=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

service_accounts = sa.Table(
    "auth_service_accounts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("client_id", sa.String(100), unique=True),  # whose tokens are its own
    sa.Column("roles", sa.String(1000), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

api_keys = sa.Table(
    "auth_api_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("owner_id", sa.String(32), nullable=False, index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("hint", sa.String(12), nullable=False),  # how the key begins
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("used_at", sa.BigInteger),
    sa.Column("warned", sa.Boolean, nullable=False),  # its owner was, that it ends soon
)

organisations = sa.Table(
    "auth_organisations",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

memberships = sa.Table(
    "auth_memberships",
    metadata,
    sa.Column("organisation_id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(32), primary_key=True, index=True),
    sa.Column("owner", sa.Boolean, nullable=False),
    sa.Column("roles", sa.String(1000), nullable=False),
    sa.Column("joined_at", sa.BigInteger, nullable=False),
)

invitations = sa.Table(
    "auth_invitations",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("organisation_id", sa.String(32), nullable=False, index=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("email_key", sa.String(254), nullable=False, index=True),
    sa.Column("owner", sa.Boolean, nullable=False),
    sa.Column("roles", sa.String(1000), nullable=False),
    sa.Column("invited_by", sa.String(32)),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
