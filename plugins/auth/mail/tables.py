"""Mails that are to be sent.

A row says what a mail is about and to whom; its link is made when it is sent, so that no
link is ever at rest.
"""

import sqlalchemy as sa

from plugins.auth.tables import metadata

outbox = sa.Table(
    "auth_outbox",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("letter", sa.String(16), nullable=False),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("account_id", sa.String(32)),
    sa.Column("locale", sa.String(8), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.BigInteger, nullable=False, index=True),
)
