"""Whoever has an API key hears once that it ends soon."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    warned = sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("auth_api_keys", warned)
