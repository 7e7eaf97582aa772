"""PostgreSQL does what the contract says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.sql import DRIVERS, Sql
from tests.conformance.sql import SqlContract
from tests.conformance.sql_load import SqlLoadContract
from tests.conformance.sql_migrations import SqlMigrationsContract


@pytest.fixture
async def sql(postgres_url: str) -> AsyncIterator[Sql]:
    sql = DRIVERS.open(f"{postgres_url}?wait=300ms&pool=4")
    yield sql
    await sql.close()


class TestPostgresql(SqlContract):
    pass


class TestPostgresqlLoad(SqlLoadContract):
    pass


class TestPostgresqlMigrations(SqlMigrationsContract):
    pass
