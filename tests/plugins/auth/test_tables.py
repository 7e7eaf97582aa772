"""The migrations make what the tables say."""

from __future__ import annotations

import sqlalchemy as sa

import plugins.auth.access.tables
import plugins.auth.accounts.tables
import plugins.auth.audit.tables
import plugins.auth.cache.tables
import plugins.auth.device.tables
import plugins.auth.factors.tables
import plugins.auth.keys.tables
import plugins.auth.leaving.tables
import plugins.auth.mail.tables
import plugins.auth.oauth.tables
import plugins.auth.once.tables
import plugins.auth.pushed.tables
import plugins.auth.registration.tables
import plugins.auth.social.tables  # noqa: F401 - each adds its tables
from backends.sql import Sql
from plugins.auth.tables import metadata

Shape = dict[str, tuple[dict[str, bool], set[tuple[str, ...]]]]


def declared() -> Shape:
    return {
        table.name: (
            {column.name: bool(column.nullable) for column in table.columns},
            {tuple(column.name for column in index.columns) for index in table.indexes},
        )
        for table in metadata.sorted_tables
    }


def found(connection: sa.Connection) -> Shape:
    look = sa.inspect(connection)
    return {
        name: (
            {column["name"]: bool(column["nullable"]) for column in look.get_columns(name)},
            {
                tuple(str(column) for column in index["column_names"])
                for index in look.get_indexes(name)
                if not index["unique"]
            },
        )
        for name in look.get_table_names()
        if name in metadata.tables
    }


async def test_a_migrated_database_has_the_tables_the_program_asks_for(sql: Sql) -> None:
    async with sql.read() as connection:
        assert await connection.run_sync(found) == declared()
