"""What is kept of jobs, refused, listed and forgotten, on every driver of `Jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from backends.errors import BackendError, Refused
from backends.jobs import (
    Beat,
    Jobs,
    NewJob,
    Outcome,
    Retry,
    Standing,
    State,
    Verdict,
)
from tests.conformance.jobs_steps import (
    LEASE,
    ONCE,
    OnAQueue,
    Opened,
    claimed,
    ends,
    take,
)


class KeepingContract(OnAQueue):
    async def dead_ones(self, jobs: Jobs, queue: str, count: int, **more: Any) -> list[str]:
        made = [NewJob(queue, "n", number, retry=ONCE, **more) for number in range(count)]
        await jobs.enqueue_many(made)
        await jobs.finish(queue, ends(await claimed(jobs, queue, count), Verdict.DEAD, error="e"))
        return [job.id for job in made]

    async def test_dead_jobs_are_replayed(self, jobs: Jobs, queue: str) -> None:
        ids = await self.dead_ones(jobs, queue, 3)
        listed = [job.id for job in await jobs.page(queue, State.DEAD)]
        assert sorted(listed) == sorted(ids)
        assert await jobs.replay(queue, [ids[1], "nobody"]) == 1
        (again,) = await claimed(jobs, queue, 10)
        assert (again.id, again.attempt) == (ids[1], 1)
        assert await jobs.replay(queue) == 2
        assert {job.id for job in await claimed(jobs, queue, 10)} == {ids[0], ids[2]}
        assert await jobs.replay(queue) == 0

    async def test_a_replayed_job_has_all_its_attempts(self, jobs: Jobs, queue: str) -> None:
        (job_id,) = await self.dead_ones(jobs, queue, 1)
        await jobs.replay(queue)
        held = await claimed(jobs, queue)
        await jobs.finish(queue, ends(held, Verdict.RETRY, error="again"))
        assert await self.state(jobs, queue, job_id) == State.DEAD
        assert (await jobs.stats(queue)).dead == 1

    async def test_a_replay_waits_for_its_unique_key(self, jobs: Jobs, queue: str) -> None:
        (job_id,) = await self.dead_ones(jobs, queue, 1, unique="k")
        other = await jobs.enqueue(NewJob(queue, "n", unique="k"))
        assert await jobs.replay(queue) == 0
        await jobs.cancel(queue, other.id)
        assert await jobs.replay(queue, [job_id]) == 1
        assert not (await jobs.enqueue(NewJob(queue, "n", unique="k"))).new

    async def test_dead_jobs_are_discarded(self, jobs: Jobs, queue: str) -> None:
        ids = await self.dead_ones(jobs, queue, 3)
        alive = await jobs.enqueue(NewJob(queue, "n"))
        assert await jobs.discard(queue, [ids[0], alive.id]) == 1
        assert await jobs.job(queue, ids[0]) is None
        assert await jobs.discard(queue) == 2
        assert (await jobs.stats(queue)).dead == 0
        assert [job.id for job in await take(jobs, queue, 10)] == [alive.id]

    async def work_off(self, jobs: Jobs, queue: str, count: int) -> None:
        for _ in range(count // 100):
            await jobs.enqueue_many([NewJob(queue, "n") for _ in range(100)])
            await jobs.finish(queue, ends(await claimed(jobs, queue, 100)))

    async def test_history_is_bounded(self, opened: Opened, queue: str) -> None:
        jobs = opened(history=5)
        await self.work_off(jobs, queue, 500)
        assert 5 <= (await jobs.stats(queue)).done <= 105
        assert 5 <= len(await jobs.page(queue, State.DONE, limit=1000)) <= 105

    async def test_history_is_forgotten_in_time(self, opened: Opened, queue: str) -> None:
        jobs = opened(history=10_000, history_for="1ms")
        await self.work_off(jobs, queue, 500)
        assert (await jobs.stats(queue)).done <= 150

    async def test_dead_letters_are_bounded(self, opened: Opened, queue: str) -> None:
        jobs = opened(dead_letters=5)
        for _ in range(3):
            ids = await self.dead_ones(jobs, queue, 100)
        assert 5 <= (await jobs.stats(queue)).dead <= 105
        assert {job.id for job in await jobs.page(queue, State.DEAD, limit=5)} <= set(ids)

    async def test_a_full_queue_refuses(self, opened: Opened, queue: str) -> None:
        jobs = opened(waiting=10)
        await jobs.enqueue_many([NewJob(queue, "n") for _ in range(9)])
        with pytest.raises(Refused):
            await jobs.enqueue_many([NewJob(queue, "n") for _ in range(2)])
        await jobs.enqueue(NewJob(queue, "n", delay=60))
        with pytest.raises(Refused):
            await jobs.enqueue(NewJob(queue, "n"))
        assert len(await claimed(jobs, queue, 100)) == 9
        await jobs.enqueue(NewJob(queue, "n"))

    @pytest.mark.parametrize("payload", [{1, 2}, object(), "x" * 2000, {2**70: 1}, "\udcff"])
    async def test_a_payload_is_small_json(
        self, opened: Opened, queue: str, payload: object
    ) -> None:
        jobs = opened(payload="1KiB")
        with pytest.raises(Refused):
            await jobs.enqueue(NewJob(queue, "n", payload))
        assert await take(jobs, queue) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"queue": ""},
            {"queue": "a b"},
            {"queue": "{x}"},
            {"name": "n" * 101},
            {"name": "\0"},
            {"id": "é"},
            {"unique": ""},
            {"unique": "a\0b"},
            {"unique": "\udcff"},
            {"unique": "k" * 201},
            {"priority": 101},
            {"delay": -1.0},
            {"delay": float("nan")},
            {"delay": float("inf")},
            {"timeout": 0.0},
            {"retry": Retry(attempts=0)},
            {"retry": Retry(longest=float("inf"))},
        ],
    )
    async def test_what_does_not_fit_is_refused(self, jobs: Jobs, wrong: dict[str, Any]) -> None:
        with pytest.raises(Refused):
            await jobs.enqueue(NewJob(**{"queue": "q", "name": "n", **wrong}))

    @pytest.mark.parametrize("odd", ["", "a b", "\udcff", "\0", "x" * 101, "*", "é"])
    async def test_who_looks_for_what_cannot_be_is_refused(
        self, jobs: Jobs, queue: str, odd: str
    ) -> None:
        calls: list[Awaitable[Any]] = [
            *(jobs.job(queue, odd), jobs.job(odd, "x"), jobs.cancel(queue, odd)),
            *(jobs.page(odd, State.DONE), jobs.stats(odd), jobs.claim(odd, "w", 1, LEASE)),
            *(jobs.replay(queue, [odd]), jobs.discard(queue, [odd]), jobs.wait(odd, 1.0)),
            jobs.last_fired(queue, odd),
        ]
        for call in calls:
            with pytest.raises(Refused):
                await call

    async def test_too_many_at_once_are_refused(self, jobs: Jobs, queue: str) -> None:
        many = [NewJob(queue, "n") for _ in range(1001)]
        with pytest.raises(Refused):
            await jobs.enqueue_many(many)
        with pytest.raises(Refused):
            await jobs.claim(queue, "w", 1001, LEASE)
        with pytest.raises(Refused):
            await jobs.page(queue, State.DONE, limit=1001)
        assert len(await jobs.enqueue_many(many[:1000])) == 1000
        assert await jobs.enqueue_many([]) == []

    async def test_many_are_enqueued_all_or_none(self, jobs: Jobs, queue: str) -> None:
        for odd in (NewJob(queue, "n", {1}), NewJob("another", "n")):
            with pytest.raises(Refused):
                await jobs.enqueue_many([NewJob(queue, "n"), odd])
        assert (await jobs.stats(queue)).ready == 0

    async def test_many_tell_which_are_new(self, jobs: Jobs, queue: str) -> None:
        first, second = NewJob(queue, "n", unique="k"), NewJob(queue, "n")
        again = NewJob(queue, "n", unique="k")
        said = await jobs.enqueue_many([first, second, again, second])
        assert said == [(first.id, True), (second.id, True), (first.id, False), (second.id, False)]

    @pytest.mark.parametrize("result", [{1}, "x" * 2000])
    async def test_a_result_that_cannot_be_kept_is_left_out(
        self, opened: Opened, queue: str, result: object
    ) -> None:
        jobs = opened(payload="1KiB")
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        await jobs.finish(queue, ends(await claimed(jobs, queue), result=result))
        job = await jobs.job(queue, ticket.id)
        assert job is not None
        assert (job.state, job.result) == (State.DONE, None)
        assert "result" in (job.error or "")

    async def test_a_fire_time_fires_once(self, opened: Opened, queue: str) -> None:
        drivers = [opened(), opened()]
        assert await drivers[0].last_fired(queue, "nightly") is None
        calls = [driver.fire("nightly", 1e9, NewJob(queue, "n")) for driver in drivers * 10]
        assert sorted(await asyncio.gather(*calls)) == [False] * 19 + [True]
        assert not await drivers[1].fire("nightly", 1e9 - 60, NewJob(queue, "n"))
        assert await drivers[1].fire("nightly", 1e9 + 60.5, NewJob(queue, "n"))
        assert await drivers[1].fire("another", 1e9, NewJob(queue, "n"))
        assert await drivers[0].last_fired(queue, "nightly") == 1e9 + 60.5
        assert (await drivers[0].stats(queue)).ready == 3

    async def test_waiting_ends_when_another_enqueues(self, opened: Opened, queue: str) -> None:
        mine, other = opened(), opened()
        await mine.claim(queue, "w", 1, LEASE)
        waiting = asyncio.create_task(mine.wait(queue, 60))
        await asyncio.sleep(0.1)
        await other.enqueue(NewJob(queue, "n"))
        async with asyncio.timeout(5):
            await waiting

    async def test_waiting_ends_in_time(self, jobs: Jobs, queue: str) -> None:
        async with asyncio.timeout(5):
            await jobs.wait(queue, 0.2)

    async def test_waiting_may_be_given_up(self, jobs: Jobs, queue: str) -> None:
        waiting = asyncio.create_task(jobs.wait(queue, 60))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        ticket = await jobs.enqueue(NewJob(queue, "n"))
        assert [job.id for job in await take(jobs, queue)] == [ticket.id]

    async def test_stats_count_every_state(self, jobs: Jobs, queue: str) -> None:
        assert await jobs.stats(queue) == (0, 0, 0, 0, 0, 0, 0.0)
        await jobs.enqueue_many([NewJob(queue, "n") for _ in range(8)])
        await jobs.enqueue(NewJob(queue, "n", delay=60))
        held = await claimed(jobs, queue, 5)
        await jobs.finish(queue, ends(held[:1]) + ends(held[1:2], Verdict.DEAD))
        await jobs.finish(queue, ends(held[2:3], Verdict.CANCELLED))
        stats = await jobs.stats(queue)
        assert stats[:6] == (1, 3, 2, 1, 1, 1)
        assert 0 <= stats.behind < 5

    async def test_queues_are_listed_and_kept_apart(self, jobs: Jobs, queue: str) -> None:
        names = [f"{queue}.b", f"{queue}.a"]
        for name in names:
            await jobs.enqueue(NewJob(name, "n", id="same", unique="same"))
        assert [name for name in await jobs.queues() if name in names] == sorted(names)
        assert len(await take(jobs, names[0], 10)) == 1
        assert len(await take(jobs, names[1], 10)) == 1

    async def test_pages_go_through_all(self, jobs: Jobs, queue: str) -> None:
        made = await jobs.enqueue_many([NewJob(queue, "n", delay=60.0 * (n % 2)) for n in range(9)])
        for state, count in ((State.READY, 5), (State.DELAYED, 4), (State.DONE, 0)):
            pages = [await jobs.page(queue, state, limit=2, offset=at) for at in range(0, 9, 2)]
            found = [job for one in pages for job in one]
            assert len({job.id for job in found}) == len(found) == count
            assert {job.id for job in found} <= {ticket.id for ticket in made}

    async def test_ended_jobs_are_listed_newest_first(self, jobs: Jobs, queue: str) -> None:
        for number in range(3):
            await jobs.enqueue(NewJob(queue, "n", number))
            await jobs.finish(queue, ends(await claimed(jobs, queue)))
            await asyncio.sleep(0.01)
        assert [job.payload for job in await jobs.page(queue, State.DONE)] == [2, 1, 0]

    async def test_jobs_are_there_after_closing(self, opened: Opened, queue: str) -> None:
        first = opened()
        ticket = await first.enqueue(NewJob(queue, "n"))
        await first.close()
        assert [job.id for job in await take(opened(), queue)] == [ticket.id]

    async def test_an_empty_queue_is_no_error(self, jobs: Jobs, queue: str) -> None:
        assert await jobs.job(queue, "nobody") is None
        assert await jobs.claim(queue, "w", 1, LEASE) == ([], None)
        assert await jobs.finish(queue, [Outcome("nobody", 1, Verdict.DONE)]) == [False]
        assert await jobs.beat(queue, [Beat("nobody", 1)], LEASE) == [Standing.LOST]
        assert await jobs.finish(queue, []) == []
        assert await jobs.beat(queue, [], LEASE) == []

    async def test_is_checked_and_closed(self, jobs: Jobs, queue: str) -> None:
        await jobs.check()
        await jobs.close()
        await jobs.close()
        with pytest.raises(BackendError):
            await jobs.enqueue(NewJob(queue, "n"))
        with pytest.raises(BackendError):
            await jobs.check()
