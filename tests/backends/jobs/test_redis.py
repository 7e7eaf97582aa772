from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.backends.jobs.opening import opening
from tests.conformance.jobs import JobsContract, Opened
from tests.conformance.jobs_worker import WorkerContract
from tests.engines.redis import Redis, RedisCluster, RedisSentinel


class TestRedis(JobsContract, WorkerContract):
    @pytest.fixture
    async def opened(self, redis: Redis) -> AsyncIterator[Opened]:
        async with opening(redis.url) as opened:
            yield opened


class TestACluster(JobsContract):
    @pytest.fixture
    async def opened(self, redis_cluster: RedisCluster) -> AsyncIterator[Opened]:
        async with opening(redis_cluster.url) as opened:
            yield opened


class TestASentinelsPrimary(JobsContract):
    @pytest.fixture
    async def opened(self, redis_sentinel: RedisSentinel) -> AsyncIterator[Opened]:
        async with opening(redis_sentinel.url) as opened:
            yield opened
