"""What is known of clients has an epoch of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"


def upgrade() -> None:
    op.rename_table("auth_access_epoch", "auth_epochs")
    op.execute(sa.text("INSERT INTO auth_epochs (id, number) VALUES (2, 0)"))
