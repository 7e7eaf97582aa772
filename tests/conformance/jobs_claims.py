"""How jobs are held, retried, cancelled and lost, on every driver of `Jobs`."""

from __future__ import annotations

import asyncio
import time

import pytest

from backends.jobs import (
    Beat,
    Jobs,
    NewJob,
    Retry,
    Standing,
    State,
    Verdict,
)
from backends.jobs.job import LOST
from tests.conformance.jobs_steps import (
    LEASE,
    ONCE,
    SHORT,
    OnAQueue,
    Opened,
    claimed,
    ends,
    take,
    until,
)


class ClaimsContract(OnAQueue):
    async def test_a_job_is_claimed_as_it_was_enqueued(self, jobs: Jobs, queue: str) -> None:
        payload = {"a": [1, 2.5, None, True], "ü": "日本\0\n", "big": 2**53}
        retry = Retry(7, 0.5, 3.0, 60.0)
        new = NewJob(queue, "mail.send", payload, retry=retry, timeout=12.5)
        assert await jobs.enqueue(new) == (new.id, True)
        (job,) = await claimed(jobs, queue, 10)
        assert job == (new.id, job.fence, "mail.send", payload, 1, retry, 12.5)

    async def test_a_job_that_is_done_keeps_its_result(self, jobs: Jobs, queue: str) -> None:
        begun = time.time()
        ticket = await jobs.enqueue(NewJob(queue, "n", [1]))
        held = await claimed(jobs, queue)
        assert await jobs.finish(queue, ends(held, result={"pages": 3})) == [True]
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.state, job.result, job.payload) == (State.DONE, {"pages": 3}, [1])
        assert (job.progress, job.error, job.attempt, job.name) == (1.0, None, 1, "n")
        assert job.started is not None
        assert job.ended is not None
        assert begun - 2 < job.created <= job.started <= job.ended < time.time() + 2
        assert await take(jobs, queue) == []

    async def test_what_is_running_says_who_runs_it(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        await jobs.claim(queue, "host:1", 1, LEASE)
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.state, job.worker) == (State.RUNNING, "host:1")

    async def test_the_same_id_is_enqueued_once(self, jobs: Jobs, queue: str) -> None:
        new = NewJob(queue, "n")
        said = await asyncio.gather(*[jobs.enqueue(new) for _ in range(20)])
        assert sorted(ticket.new for ticket in said) == [False] * 19 + [True]
        assert len(await claimed(jobs, queue, 10)) == 1
        assert await jobs.enqueue(new) == (new.id, False)
        assert await take(jobs, queue, 10) == []

    async def test_a_unique_key_is_held_until_its_job_ends(self, jobs: Jobs, queue: str) -> None:
        key = "user 7: ünique"
        first = await jobs.enqueue(NewJob(queue, "n", unique=key))
        assert await jobs.enqueue(NewJob(queue, "n", unique=key)) == (first.id, False)
        held = await claimed(jobs, queue, 10)
        assert await jobs.enqueue(NewJob(queue, "n", unique=key)) == (first.id, False)
        assert (await jobs.enqueue(NewJob(queue, "n", unique="other"))).new
        await jobs.finish(queue, ends(held))
        assert (await jobs.enqueue(NewJob(queue, "n", unique=key))).new

    async def test_a_unique_key_is_free_after_a_cancel(self, jobs: Jobs, queue: str) -> None:
        first = await jobs.enqueue(NewJob(queue, "n", unique="k"))
        await jobs.cancel(queue, first.id)
        assert (await jobs.enqueue(NewJob(queue, "n", unique="k"))).new

    async def test_a_delayed_job_waits(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n", delay=0.5))
        claims = await jobs.claim(queue, "w", 1, LEASE)
        assert claims.jobs == []
        assert claims.next == pytest.approx(0.4, abs=0.2)
        assert await self.state(jobs, queue, ticket.id) == State.DELAYED
        assert [job.id for job in await claimed(jobs, queue)] == [ticket.id]

    async def test_higher_priority_first_then_first_come(self, jobs: Jobs, queue: str) -> None:
        for number, priority in enumerate([0, 5, -100, 0, 100, 5]):
            await jobs.enqueue(NewJob(queue, "n", number, priority=priority))
        held = await take(jobs, queue, 4) + await take(jobs, queue, 4)
        assert [job.payload for job in held] == [4, 1, 5, 0, 3, 2]

    async def test_no_two_hold_the_same_job(self, opened: Opened, queue: str) -> None:
        drivers = [opened(), opened()]
        await drivers[0].enqueue_many([NewJob(queue, "n", number) for number in range(500)])
        calls = [take(driver, queue, 7) for driver in drivers for _ in range(50)]
        taken = [job.payload for held in await asyncio.gather(*calls) for job in held]
        taken += [job.payload for job in await take(drivers[0], queue, 500)]
        assert sorted(taken) == list(range(500))

    async def test_a_lapsed_lease_is_for_whoever_comes_next(self, jobs: Jobs, queue: str) -> None:
        await jobs.enqueue(NewJob(queue, "n"))
        (old,) = await claimed(jobs, queue, lease=SHORT)
        assert await take(jobs, queue) == []
        (new,) = await claimed(jobs, queue)
        assert (new.id, new.attempt) == (old.id, 2)
        assert new.fence > old.fence

    async def test_an_older_fence_changes_nothing(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        old = await claimed(jobs, queue, lease=SHORT)
        new = await claimed(jobs, queue)
        for verdict in Verdict:
            assert await jobs.finish(queue, ends(old, verdict, error="late")) == [False]
        beats = [Beat(old[0].id, old[0].fence, 0.9, "late"), Beat(new[0].id, new[0].fence)]
        assert await jobs.beat(queue, beats, LEASE) == [Standing.LOST, Standing.HELD]
        assert await jobs.finish(queue, ends(new, result="new")) == [True]
        assert await jobs.finish(queue, ends(new, result="twice")) == [False]
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.state, job.result, job.note) == (State.DONE, "new", "")

    async def test_who_was_slow_but_not_replaced_may_finish(self, jobs: Jobs, queue: str) -> None:
        await jobs.enqueue(NewJob(queue, "n"))
        held = await claimed(jobs, queue, lease=0.01)
        await asyncio.sleep(0.05)
        assert await jobs.finish(queue, ends(held)) == [True]

    async def test_beats_hold_a_job_and_tell_its_progress(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        (held,) = await claimed(jobs, queue, lease=0.4)
        for done in range(5):
            await asyncio.sleep(0.1)
            beat = Beat(held.id, held.fence, done / 10, f"page {done}")
            assert await jobs.beat(queue, [beat], 0.4) == [Standing.HELD]
            assert await take(jobs, queue) == []
        await jobs.beat(queue, [Beat(held.id, held.fence)], LEASE)
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.progress, job.note) == (0.4, "page 4")

    @pytest.mark.parametrize(
        ("told", "stored"), [(7.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 1.0)]
    )
    async def test_progress_is_a_fraction(
        self, jobs: Jobs, queue: str, told: float, stored: float
    ) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        (held,) = await claimed(jobs, queue)
        await jobs.beat(queue, [Beat(held.id, held.fence, told, "\0\udcff" + "x" * 9999)], LEASE)
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert job.progress == stored

    async def test_a_lapse_of_the_last_attempt_is_death(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n", retry=ONCE, unique="k"))
        await claimed(jobs, queue, lease=0.05)

        async def dead() -> bool:
            assert await take(jobs, queue) == []
            return await self.state(jobs, queue, ticket.id) == State.DEAD

        await until(dead)
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert job.error == LOST
        assert (await jobs.enqueue(NewJob(queue, "n", unique="k"))).new

    async def test_a_retry_waits_and_counts(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n", retry=Retry(attempts=2)))
        held = await claimed(jobs, queue)
        outcome = ends(held, Verdict.RETRY, delay=0.3, error="no\0 \udcff answer")
        assert await jobs.finish(queue, outcome) == [True]
        assert await take(jobs, queue) == []
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.state, job.worker) == (State.DELAYED, None)
        assert "answer" in (job.error or "")
        again = await claimed(jobs, queue)
        assert again[0].attempt == 2
        await jobs.finish(queue, ends(again, Verdict.RETRY, delay=0.3, error="still none"))
        (dead,) = await jobs.page(queue, State.DEAD)
        assert (dead.id, dead.error, dead.attempt) == (ticket.id, "still none", 2)

    async def test_a_release_does_not_count(self, jobs: Jobs, queue: str) -> None:
        await jobs.enqueue(NewJob(queue, "n", retry=ONCE))
        for _ in range(3):
            held = await claimed(jobs, queue)
            assert held[0].attempt == 1
            assert await jobs.finish(queue, ends(held, Verdict.RELEASE)) == [True]

    async def test_a_waiting_job_is_cancelled_at_once(self, jobs: Jobs, queue: str) -> None:
        for delay in (0.0, 60.0):
            ticket = await jobs.enqueue(NewJob(queue, "n", delay=delay))
            assert await jobs.cancel(queue, ticket.id)
            assert await self.state(jobs, queue, ticket.id) == State.CANCELLED
            assert not await jobs.cancel(queue, ticket.id)
        assert not await jobs.cancel(queue, "nobody")
        assert await take(jobs, queue, 10) == []

    @pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.RELEASE, Verdict.CANCELLED])
    async def test_the_worker_of_a_cancelled_job_is_told(
        self, jobs: Jobs, queue: str, verdict: Verdict
    ) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        held = await claimed(jobs, queue)
        assert await jobs.cancel(queue, ticket.id)
        beats = [Beat(job.id, job.fence) for job in held]
        assert await jobs.beat(queue, beats, LEASE) == [Standing.CANCELLING]
        assert await self.state(jobs, queue, ticket.id) == State.RUNNING
        assert await jobs.finish(queue, ends(held, verdict)) == [True]
        assert await self.state(jobs, queue, ticket.id) == State.CANCELLED

    async def test_what_is_done_is_done_though_cancelled(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        held = await claimed(jobs, queue)
        await jobs.cancel(queue, ticket.id)
        await jobs.finish(queue, ends(held))
        assert await self.state(jobs, queue, ticket.id) == State.DONE

    async def test_a_cancelled_job_whose_worker_is_gone_ends(self, jobs: Jobs, queue: str) -> None:
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        await claimed(jobs, queue, lease=SHORT)
        await jobs.cancel(queue, ticket.id)

        async def cancelled() -> bool:
            assert await take(jobs, queue) == []
            return await self.state(jobs, queue, ticket.id) == State.CANCELLED

        await until(cancelled)
