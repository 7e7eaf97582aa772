from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.backends.jobs.opening import opening
from tests.conformance.jobs import JobsContract, Opened


class TestPostgres(JobsContract):
    @pytest.fixture
    async def opened(self, postgres_url: str) -> AsyncIterator[Opened]:
        async with opening(postgres_url) as opened:
            yield opened
