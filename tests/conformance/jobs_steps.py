"""What the contracts of jobs have in common: a queue of a test's own, and a worker's steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest

from backends.jobs import (
    Claimed,
    Jobs,
    Outcome,
    Retry,
    State,
    Verdict,
)

Opened = Callable[..., Jobs]
"""Another driver on the same store, with these options of its URL; whoever gives it closes it."""

LEASE = 30.0
SHORT = 0.2
WITHIN = 10.0
ONCE = Retry(attempts=1)


async def until(true: Callable[[], Awaitable[Any]], within: float = WITHIN) -> Any:
    """What it gives once it gives something; fails when that takes too long."""
    deadline = time.monotonic() + within
    while not (said := await true()):
        assert time.monotonic() < deadline, "it does not come to pass"
        await asyncio.sleep(0.02)
    return said


async def claimed(jobs: Jobs, queue: str, count: int = 1, lease: float = LEASE) -> list[Claimed]:
    """At least one, as soon as there is one."""
    said: list[Claimed] = await until(lambda: take(jobs, queue, count, lease))
    return said


async def take(jobs: Jobs, queue: str, count: int = 1, lease: float = LEASE) -> list[Claimed]:
    return (await jobs.claim(queue, "w", count, lease)).jobs


def ends(held: Sequence[Claimed], verdict: Verdict = Verdict.DONE, **more: Any) -> list[Outcome]:
    return [Outcome(job.id, job.fence, verdict, **more) for job in held]


class OnAQueue:
    """Fixture to give: `opened`, an `Opened`."""

    @pytest.fixture
    def jobs(self, opened: Opened) -> Jobs:
        return opened()

    @pytest.fixture
    def queue(self) -> str:
        return f"q-{uuid4().hex}"

    async def state(self, jobs: Jobs, queue: str, job_id: str) -> State:
        job = await jobs.job(queue, job_id)
        assert job is not None
        return job.state
