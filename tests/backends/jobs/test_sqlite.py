from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from backends.errors import BackendUnavailable, Refused
from backends.jobs import NewJob
from tests.backends.jobs.opening import opening
from tests.conformance.jobs import JobsContract, Opened, take
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


class TestTheFile:
    @pytest.fixture
    def letter(self, tmp_path: Path) -> Path:
        """No database."""
        file = tmp_path / "letter"
        file.write_text("Dear Sir or Madam, " * 1000)
        return file

    async def test_may_be_locked_by_another_program(self, url: str, opened: Opened) -> None:
        jobs = opened(timeout="500ms")
        await jobs.enqueue(NewJob("q", "n"))
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BackendUnavailable):
                await jobs.enqueue(NewJob("q", "n"))
            assert (await jobs.stats("q")).ready == 1
            other.execute("ROLLBACK")
        assert (await jobs.enqueue(NewJob("q", "n"))).new

    async def test_that_is_something_else_is_refused(self, letter: Path) -> None:
        async with opening(f"sqlite:///{letter}") as opened:
            jobs = opened()
            with pytest.raises(Refused):
                await jobs.check()
            await asyncio.to_thread(letter.unlink)
            await jobs.check()

    async def test_that_cannot_be_made_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        async with opening(f"sqlite:///{tmp_path}/file/jobs.db") as opened:
            with pytest.raises(Refused):
                await opened().check()

    async def test_of_calls_that_are_given_up_nothing_is_claimed(self, opened: Opened) -> None:
        jobs = opened()
        await jobs.enqueue_many([NewJob("q", "n") for _ in range(50)])
        calls = [asyncio.create_task(take(jobs, "q", 1)) for _ in range(50)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert len(await take(jobs, "q", 100)) >= 48  # one may have been on its way
