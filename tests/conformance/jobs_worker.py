"""What a worker and cron must do on every driver of `Jobs`. Give it the fixture of JobsContract."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from backends.jobs import Job, Jobs, NewJob, Outcome, Retry, State, Verdict
from backends.jobs.cron import Cron, Schedule
from backends.jobs.running import GiveUp, Handler, Running, TryLater
from backends.jobs.worker import Worker
from tests.conformance.jobs import LEASE, Opened, take, until

QUICK = Retry(attempts=3, first=0.01)


@asynccontextmanager
async def working(jobs: Jobs, queue: str, handler: Handler, **more: Any) -> AsyncIterator[Worker]:
    worker = Worker(jobs, queue, {"n": handler}, **{"drain": 0.1, **more})
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        async with asyncio.timeout(10):
            await task


async def nothing(_: Running) -> None:
    pass


async def forever(_: Running) -> None:
    await asyncio.sleep(3600)


class Stopped:
    """A handler that never ends by itself, and tells why it was stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.why: list[str | None] = []

    async def __call__(self, job: Running) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.why.append(job.stopped_by)
            raise


class WorkerContract:
    """Fixture to give: `opened`, an `Opened`."""

    @pytest.fixture
    def jobs(self, opened: Opened) -> Jobs:
        return opened()

    @pytest.fixture
    def queue(self) -> str:
        return f"q-{uuid4().hex}"

    async def reached(self, jobs: Jobs, queue: str, state: State, count: int = 1) -> Job:
        async def are_there() -> list[Job] | None:
            found = await jobs.page(queue, state, limit=1000)
            return found if len(found) == count else None

        found: list[Job] = await until(are_there, 20)
        return found[0]

    async def test_each_job_is_run_and_its_result_kept(self, jobs: Jobs, queue: str) -> None:
        async def double(job: Running) -> int:
            return int(job.payload) * 2

        async with working(jobs, queue, double) as worker:
            tickets = await jobs.enqueue_many([NewJob(queue, "n", n) for n in range(200)])
            await self.reached(jobs, queue, State.DONE, 200)
        assert worker.counts == {Verdict.DONE: 200}
        for n in (0, 199):
            job = await jobs.job(queue, tickets[n].id)
            assert job is not None
            assert job.result == 2 * n

    async def test_a_failed_job_is_tried_again_and_then_dead(self, jobs: Jobs, queue: str) -> None:
        seen: list[int] = []

        async def fail(job: Running) -> None:
            seen.append(job.attempt)
            raise ConnectionError("no route to https://me:secret@example.com/x")

        await jobs.enqueue(NewJob(queue, "n", retry=QUICK))
        async with working(jobs, queue, fail):
            dead = await self.reached(jobs, queue, State.DEAD)
        assert seen == [1, 2, 3]
        assert dead.error is not None
        assert dead.error.startswith("ConnectionError: no route to https://example.com/x (line ")

    async def test_a_job_that_recovers_is_done(self, jobs: Jobs, queue: str) -> None:
        async def second_time(job: Running) -> None:
            if job.attempt == 1:
                raise ValueError

        await jobs.enqueue(NewJob(queue, "n", retry=QUICK))
        async with working(jobs, queue, second_time):
            done = await self.reached(jobs, queue, State.DONE)
        assert (done.attempt, done.error) == (2, None)

    async def test_a_handler_may_give_up(self, jobs: Jobs, queue: str) -> None:
        async def give_up(_: Running) -> None:
            raise GiveUp("no such user")

        await jobs.enqueue(NewJob(queue, "n"))
        async with working(jobs, queue, give_up):
            dead = await self.reached(jobs, queue, State.DEAD)
        assert dead.attempt == 1
        assert "no such user" in (dead.error or "")

    async def test_a_handler_may_say_when_to_try_again(self, jobs: Jobs, queue: str) -> None:
        async def later(_: Running) -> None:
            raise TryLater(50)

        await jobs.enqueue(NewJob(queue, "n"))
        async with working(jobs, queue, later):
            waits = await self.reached(jobs, queue, State.DELAYED)
        assert waits.due - time.time() == pytest.approx(50, abs=5)

    async def test_an_attempt_has_its_time(self, jobs: Jobs, queue: str) -> None:
        stopped = Stopped()
        await jobs.enqueue(NewJob(queue, "n", timeout=0.1, retry=Retry(attempts=1)))
        async with working(jobs, queue, stopped):
            dead = await self.reached(jobs, queue, State.DEAD)
        assert dead.error == "it took longer than 0.1 s"
        assert stopped.why == [None]

    async def test_a_job_without_handler_is_tried_elsewhere(self, jobs: Jobs, queue: str) -> None:
        await jobs.enqueue(NewJob(queue, "unknown"))
        async with working(jobs, queue, nothing):
            waits = await self.reached(jobs, queue, State.DELAYED)
        assert waits.error == "this worker has no handler named unknown"

    async def test_a_running_job_is_cancelled(self, jobs: Jobs, queue: str) -> None:
        stopped = Stopped()
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        async with working(jobs, queue, stopped):
            await stopped.begun.wait()
            assert await jobs.cancel(queue, ticket.id)
            await self.reached(jobs, queue, State.CANCELLED)
        assert stopped.why == ["cancelled"]

    async def test_progress_is_seen_while_it_runs(self, jobs: Jobs, queue: str) -> None:
        async def half(job: Running) -> None:
            job.progress(0.5, "page 1 of 2")
            await asyncio.sleep(3600)

        ticket = await jobs.enqueue(NewJob(queue, "n"))

        async def told() -> bool:
            job = await jobs.job(queue, ticket.id)
            return job is not None and (job.progress, job.note) == (0.5, "page 1 of 2")

        async with working(jobs, queue, half):
            await until(told)

    async def test_what_is_unfinished_is_handed_back(self, jobs: Jobs, queue: str) -> None:
        stopped = Stopped()
        await jobs.enqueue(NewJob(queue, "n", retry=Retry(attempts=1)))
        async with working(jobs, queue, stopped):
            await stopped.begun.wait()
        assert stopped.why == ["stopping"]
        async with working(jobs, queue, nothing):
            done = await self.reached(jobs, queue, State.DONE)
        assert done.attempt == 1

    async def test_what_ends_while_it_drains_is_done(self, jobs: Jobs, queue: str) -> None:
        begun = asyncio.Event()

        async def short(_: Running) -> str:
            begun.set()
            await asyncio.sleep(0.3)
            return "whole"

        await jobs.enqueue(NewJob(queue, "n"))
        async with working(jobs, queue, short, drain=10.0):
            await begun.wait()
        (done,) = await jobs.page(queue, State.DONE)
        assert done.result == "whole"

    async def test_no_more_run_at_once_than_allowed(self, jobs: Jobs, queue: str) -> None:
        now, most = 0, 0

        async def count(_: Running) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1

        await jobs.enqueue_many([NewJob(queue, "n") for _ in range(50)])
        async with working(jobs, queue, count, concurrency=4):
            await self.reached(jobs, queue, State.DONE, 50)
        assert most == 4

    async def test_a_job_longer_than_its_lease_is_run_once(
        self, opened: Opened, queue: str
    ) -> None:
        runs = 0

        async def long(_: Running) -> None:
            nonlocal runs
            runs += 1
            await asyncio.sleep(1.6)

        mine, other = opened(), opened()
        await mine.enqueue(NewJob(queue, "n"))
        async with (
            working(mine, queue, long, lease=1.0, drain=5.0),
            working(other, queue, long, lease=1.0, drain=5.0),
        ):
            done = await self.reached(mine, queue, State.DONE)
        assert (runs, done.attempt) == (1, 1)

    async def test_who_lost_a_job_stops_it(self, jobs: Jobs, queue: str) -> None:
        """As if its lease had lapsed, and somebody else had claimed it."""
        stopped, fences = Stopped(), list[int]()

        async def run(job: Running) -> None:
            fences.append(job.fence)
            await stopped(job)

        ticket = await jobs.enqueue(NewJob(queue, "n"))
        async with working(jobs, queue, run, concurrency=1):
            await stopped.begun.wait()
            await jobs.finish(queue, [Outcome(ticket.id, fences[0], Verdict.RELEASE)])
            (held,) = await take(jobs, queue)
            await until(self.said(stopped.why))
            assert stopped.why == ["lost"]
        assert await jobs.finish(queue, [Outcome(held.id, held.fence, Verdict.DONE)]) == [True]

    def said(self, what: list[Any]) -> Callable[[], Awaitable[bool]]:
        async def said() -> bool:
            return bool(what)

        return said

    async def test_several_workers_share_a_queue(self, opened: Opened, queue: str) -> None:
        seen: list[int] = []

        async def note(job: Running) -> None:
            seen.append(job.payload)

        mine, other = opened(), opened()
        async with working(mine, queue, note), working(other, queue, note):
            await mine.enqueue_many([NewJob(queue, "n", n) for n in range(500)])
            await self.reached(mine, queue, State.DONE, 500)
        assert sorted(seen) == list(range(500))

    async def test_a_delayed_job_is_run_when_it_is_due(self, jobs: Jobs, queue: str) -> None:
        async with working(jobs, queue, nothing):
            await jobs.enqueue(NewJob(queue, "n", delay=0.6))
            done = await self.reached(jobs, queue, State.DONE)
        assert done.started is not None
        assert -0.1 < done.started - done.due < 5

    async def test_an_idle_worker_stops_at_once(self, jobs: Jobs, queue: str) -> None:
        async with working(jobs, queue, forever, drain=60.0):
            await asyncio.sleep(0.1)

    async def test_a_schedule_fires_once_for_all_who_keep_it(
        self, opened: Opened, queue: str
    ) -> None:
        def tick(at: datetime) -> NewJob:
            return NewJob(queue, "n", at.isoformat())

        drivers = [opened() for _ in range(3)]
        schedules = [Schedule("tick", "* * * * * *", queue, tick)]
        crons = [asyncio.create_task(Cron(driver, schedules).run()) for driver in drivers]

        async def two() -> bool:
            return (await drivers[0].stats(queue)).ready >= 2

        await until(two)
        for cron in crons:
            cron.cancel()
        await asyncio.wait(crons)
        fired = [job.payload for job in (await drivers[0].claim(queue, "w", 100, LEASE)).jobs]
        assert len(fired) == len(set(fired)) >= 2
        assert fired == sorted(fired)
