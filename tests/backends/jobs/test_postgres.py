from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.backends.jobs.opening import opening
from tests.conformance.jobs import JobsContract, Opened
from tests.conformance.jobs_worker import WorkerContract
from tests.engines.postgres import Postgres


class TestPostgres(JobsContract, WorkerContract):
    @pytest.fixture
    async def opened(self, postgres: Postgres) -> AsyncIterator[Opened]:
        async with opening(postgres.url) as opened:
            yield opened
