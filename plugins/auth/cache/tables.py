"""Numbers that move when what is remembered changes."""

from __future__ import annotations

import sqlalchemy as sa

from plugins.auth.tables import metadata

epochs = sa.Table(
    "auth_epochs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),
)
