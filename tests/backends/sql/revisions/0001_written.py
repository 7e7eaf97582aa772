"""What `writing` writes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "written",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
    )
