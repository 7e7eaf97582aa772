from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.catalogue import Backends
from backends.sql import Sql
from backends.sql.migrations import migrate
from tests.engines.fixtures import oidc, postgres
from tests.engines.postgres import Postgres

__all__ = ["oidc", "postgres"]
MIGRATIONS = Path(__file__).parents[3] / "plugins" / "auth" / "migrations"


async def make_tables(sql_url: str) -> None:
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    await migrate(backends.sql, "auth", MIGRATIONS)
    await backends.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once: a copy of it is a tenth of the work."""
    made = tmp_path_factory.mktemp("auth") / "template.db"
    asyncio.run(make_tables(f"sqlite:///{made}"))
    return made


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    postgres.execute("CREATE DATABASE auth", "postgres")
    asyncio.run(make_tables(postgres.url_of("auth")))
    return "auth"


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """Of a database with the plugin's tables, empty, this test's alone."""
    return f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'auth.db')}"


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str) -> str:
    return postgres.new_database(postgres_template)


@pytest.fixture(params=["sqlite", "postgres"])
def sql_url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def sql(sql_url: str) -> AsyncIterator[Sql]:
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    yield backends.sql
    await backends.close()
