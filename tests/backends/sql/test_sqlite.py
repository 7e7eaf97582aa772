"""SQLite does what the contract says, and what only a file can do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.sql import DRIVERS, Sql
from tests.conformance.sql import SqlContract
from tests.conformance.sql_load import SqlLoadContract
from tests.conformance.sql_migrations import SqlMigrationsContract


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[Sql]:
    sql = DRIVERS.open(f"sqlite:///{tmp_path}/folder/a%20file.db?wait=300ms")
    yield sql
    await sql.close()


class TestSqlite(SqlContract):
    pass


class TestSqliteLoad(SqlLoadContract):
    pass


class TestSqliteMigrations(SqlMigrationsContract):
    pass
