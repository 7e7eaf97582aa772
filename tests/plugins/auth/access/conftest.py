from __future__ import annotations

import pytest

from backends.sql import Sql
from tests.plugins.auth.access.desk import Desk


@pytest.fixture
def desk(sql: Sql) -> Desk:
    return Desk(sql)
