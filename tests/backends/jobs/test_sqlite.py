from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.jobs.opening import opening
from tests.conformance.jobs import JobsContract, Opened
from tests.conformance.jobs_worker import WorkerContract


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/made/jobs.db"


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Opened]:
    async with opening(url) as opened:
        yield opened


class TestSqlite(JobsContract, WorkerContract):
    pass
