from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.sql import Sql
from tests.plugins.auth.oauth.relying import Place, place


@pytest.fixture
async def here(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Place]:
    async with place(tmp_path, sql, sql_url) as found:
        yield found
