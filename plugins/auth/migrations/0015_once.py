"""What was used once is remembered in one table, of assertions too."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.drop_index("ix_auth_dpop_proofs_expires_at", "auth_dpop_proofs")
    op.rename_table("auth_dpop_proofs", "auth_used")
    op.create_index("ix_auth_used_expires_at", "auth_used", ["expires_at"])
