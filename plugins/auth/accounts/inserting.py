"""INSERT ... ON CONFLICT, which both databases have and SQLAlchemy has by dialect."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from backends.sql import Sql


def insert(sql: Sql, table: sa.Table) -> postgresql.Insert:
    if sql.dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)  # type: ignore[return-value]  # the same methods by the same names
