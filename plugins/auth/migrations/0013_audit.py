"""Who did it, in the audit log, and triggers that keep what is written there."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0004"

KEPT = 90 * 86400
"""Seconds in which no row can be deleted, whatever the program is set to."""

SQLITE = (
    "CREATE TRIGGER auth_audit_unchanged BEFORE UPDATE ON auth_audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER auth_audit_kept BEFORE DELETE ON auth_audit"
    f" WHEN OLD.at > CAST(strftime('%s', 'now') AS INTEGER) - {KEPT}"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION auth_audit_refused() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER auth_audit_unchanged BEFORE UPDATE ON auth_audit"
    " FOR EACH ROW EXECUTE FUNCTION auth_audit_refused()",
    "CREATE TRIGGER auth_audit_kept BEFORE DELETE ON auth_audit FOR EACH ROW"
    f" WHEN (OLD.at > EXTRACT(EPOCH FROM now()) - {KEPT})"
    " EXECUTE FUNCTION auth_audit_refused()",
    "CREATE TRIGGER auth_audit_whole BEFORE TRUNCATE ON auth_audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION auth_audit_refused()",
)


def upgrade() -> None:
    op.add_column("auth_audit", sa.Column("actor", sa.String(100)))
    for column in ("actor", "client_id", "event"):
        op.create_index(f"ix_auth_audit_{column}", "auth_audit", [column])
    op.create_index("ix_auth_accounts_created", "auth_accounts", ["created_at", "id"])
    here = op.get_bind().dialect.name
    for statement in SQLITE if here == "sqlite" else POSTGRESQL:
        op.execute(statement)
