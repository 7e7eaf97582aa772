from __future__ import annotations

import pytest

from backends.sql import Sql
from tests.engines.fixtures import redis
from tests.plugins.auth.access.desk import Desk

__all__ = ["redis"]


@pytest.fixture
def desk(sql: Sql) -> Desk:
    return Desk(sql)
