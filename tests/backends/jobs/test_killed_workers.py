from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.jobs import DRIVERS, NewJob, Retry
from tests.backends.jobs.opening import with_options
from tests.conformance.jobs import until
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis

JOBS = 10_000
WORKERS = 2
KILLS = 8
OFTEN = Retry(attempts=100)


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "redis":
            redis: Redis = request.getfixturevalue("redis")
            return redis.url
        case "postgresql":
            postgres: Postgres = request.getfixturevalue("postgres")
            return postgres.url
    return f"sqlite:///{tmp_path}/jobs.db"


class Crew:
    """Worker processes that are killed and replaced."""

    def __init__(self, url: str, queue: str, folder: Path) -> None:
        self._about = [url, queue, str(folder / "ran")]
        self._ran = folder / "ran"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.backends.jobs.worker_process", *self._about]
        self._processes.append(subprocess.Popen(command))

    def kill_one(self) -> None:
        """kill -9, of whichever."""
        process = self._processes.pop(random.randrange(len(self._processes)))
        assert process.poll() is None, "a worker ended by itself"
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        while self._processes:
            self.kill_one()

    def ran(self) -> list[int]:
        if not self._ran.exists():
            return []
        whole, _, _ = self._ran.read_text().rpartition("\n")
        return [int(line) for line in whole.split("\n") if line]


@pytest.fixture
def crew(url: str, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(with_options(url, history=2 * JOBS), "killing", tmp_path)
    yield crew
    crew.kill_all()


@pytest.mark.timeout(120)
async def test_no_job_is_lost_when_workers_are_killed(url: str, crew: Crew) -> None:
    jobs = DRIVERS.open(with_options(url, history=2 * JOBS))

    async def enqueue(first: int) -> None:
        numbers = range(first, first + JOBS // 10)
        await jobs.enqueue_many([NewJob("killing", "n", n, retry=OFTEN) for n in numbers])

    async def more_than(count: int) -> bool:
        return len(crew.ran()) > count

    try:
        for _ in range(WORKERS):
            crew.start()
        for tenth in range(10):
            await enqueue(tenth * (JOBS // 10))
            if tenth < KILLS:
                before = len(crew.ran())
                await until(lambda: more_than(before), 30)  # noqa: B023 - awaited right here
                crew.kill_one()
                crew.start()

        async def all_done() -> bool:
            return (await jobs.stats("killing")).done == JOBS

        await until(all_done, 60)
        ran = crew.ran()
        assert set(ran) == set(range(JOBS))
        assert (await jobs.stats("killing"))[:6] == (0, 0, 0, JOBS, 0, 0)
    finally:
        await jobs.close()
