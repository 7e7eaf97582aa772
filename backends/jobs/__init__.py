"""Durable jobs: one contract, its drivers beside it, and a worker that runs on any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backends.drivers import Backend, Driver, Drivers
from backends.jobs.job import (
    ENDED,
    MOST_AT_ONCE,
    Beat,
    Claimed,
    Claims,
    Job,
    NewJob,
    Outcome,
    Retry,
    Standing,
    State,
    Stats,
    Ticket,
    Verdict,
)

__all__ = [
    "DRIVERS",
    "ENDED",
    "MOST_AT_ONCE",
    "Beat",
    "Claimed",
    "Claims",
    "Job",
    "Jobs",
    "NewJob",
    "Outcome",
    "Retry",
    "Standing",
    "State",
    "Stats",
    "Ticket",
    "Verdict",
]


class Jobs(Backend, Protocol):
    """Named queues of jobs that survive whoever enqueues and whoever runs them.

    **Delivery** is at least once: a job is held under a lease by who claimed it, and one whose
    lease lapses (a killed process, a machine gone) is ready again for whoever claims next; the
    store does that itself. A lapsed attempt counts; when it was the last one the job is dead.
    `fence` rises with each claim: beats and outcomes of an older one are told LOST or False and
    change nothing.

    **Order**: of the jobs that are ready, higher priority first; among equals about as they
    became ready. Leases and delays are of the engine's clock where it has one.

    **Names**: a queue, a schedule, a handler's name and an id are 1 to 100 of `A-Za-z0-9_.:-`; a
    unique key is 1 to 200 characters, no NUL. What does not fit is Refused, also where it is only
    asked for; so are a payload that is no JSON or too large, and a queue that is full.

    **History**: of each queue the last done and the last cancelled jobs are kept, up to
    `history` of each (at most 100 more for a while) and for `history_for`; dead ones until they
    are replayed or discarded, or `dead_letters` newer ones are there.

    Each call is one atomic step. BackendUnavailable leaves open whether it was carried out;
    enqueue, cancel, beat, replay and discard may then simply be called again. `queue` that
    nobody ever used is an empty one.
    """

    async def enqueue(self, job: NewJob) -> Ticket:
        """When this returns, the job is as durable as the engine makes it."""

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Ticket]:
        """All of one queue (else Refused), all or none, in their order."""

    async def cancel(self, queue: str, job_id: str) -> bool:
        """A waiting job is cancelled at once; a running one's worker is asked to stop it.

        False when it has ended or is not there.
        """

    async def job(self, queue: str, job_id: str) -> Job | None:
        """None when there is none or it is forgotten."""

    async def page(
        self, queue: str, state: State, *, limit: int = 100, offset: int = 0
    ) -> list[Job]:
        """Ended ones newest first, others about in the order they will run or lapse.

        limit: at most MOST_AT_ONCE.
        """

    async def stats(self, queue: str) -> Stats:
        """Counts of this moment."""

    async def queues(self) -> list[str]:
        """Every queue that was ever used, in the order of names."""

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Dead jobs are ready again with all their attempts; returns how many.

        ids: None means the oldest MOST_AT_ONCE. One whose unique key is taken again stays dead.
        """

    async def discard(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Forget dead jobs; returns how many. ids: None means the oldest MOST_AT_ONCE."""

    async def fire(self, schedule: str, at: float, job: NewJob) -> bool:
        """Enqueue `job` once for this schedule of its queue and fire time, whoever asks first.

        at: Unix seconds. False for a time not after the last one fired. One atomic step: a
        time is not marked as fired without its job, nor the other way round.
        """

    async def last_fired(self, queue: str, schedule: str) -> float | None:
        """Unix seconds of the last fire time, None when there was none."""

    async def claim(self, queue: str, worker: str, count: int, lease: float) -> Claims:
        """Up to `count` (1 to MOST_AT_ONCE) jobs, held for `lease` seconds."""

    async def beat(self, queue: str, beats: Sequence[Beat], lease: float) -> list[Standing]:
        """Hold them for `lease` seconds from now and store their progress."""

    async def finish(self, queue: str, outcomes: Sequence[Outcome]) -> list[bool]:
        """False for one that is no longer held, whose outcome is dropped.

        A retry of a job that somebody cancelled ends it as cancelled, one that was its last
        attempt as dead. A result that is no JSON or too large is left out and `error` says so.
        """

    async def wait(self, queue: str, seconds: float) -> None:
        """Until a job may have become ready, or `seconds` have gone by. May return for nothing."""


DRIVERS: Drivers[Jobs] = Drivers(
    "jobs",
    {
        "sqlite": Driver("backends.jobs.sqlite:open_sqlite"),
        "redis": Driver("backends.jobs.redis:open_redis", "redis"),
        "rediss": Driver("backends.jobs.redis:open_redis", "redis"),
        "redis+cluster": Driver("backends.jobs.redis:open_redis", "redis"),
        "rediss+cluster": Driver("backends.jobs.redis:open_redis", "redis"),
        "redis+sentinel": Driver("backends.jobs.redis:open_redis", "redis"),
        "rediss+sentinel": Driver("backends.jobs.redis:open_redis", "redis"),
        "postgresql": Driver("backends.jobs.postgres:open_postgres", "postgres"),
    },
)
