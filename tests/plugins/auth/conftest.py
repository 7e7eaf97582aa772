from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.catalogue import Backends
from backends.sql import Sql
from backends.sql.migrations import migrate
from tests.engines.fixtures import oidc, postgres, postgres_url

__all__ = ["oidc", "postgres", "postgres_url"]
MIGRATIONS = Path(__file__).parents[3] / "plugins" / "auth" / "migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/auth.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def sql(sql_url: str) -> AsyncIterator[Sql]:
    """An empty database with the plugin's tables."""
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    await migrate(backends.sql, "auth", MIGRATIONS)
    yield backends.sql
    await backends.close()
