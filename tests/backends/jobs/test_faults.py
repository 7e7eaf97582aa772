from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.jobs import NewJob
from tests.backends.jobs.load import Load
from tests.backends.jobs.opening import opening
from tests.conformance.jobs import Opened, take, until
from tests.engines.engine import HOST, Engine
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis, RedisCluster, RedisSentinel

PATIENCE = 1.0
SLACK = 3.0
ENGINES: dict[str, type[Redis | RedisCluster | Postgres]] = {
    "redis": Redis,
    "cluster": RedisCluster,
    "postgres": Postgres,
}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """This test's alone."""
    with ENGINES[request.param](tmp_path) as engine:
        yield engine


@pytest.fixture
async def opened(engine: Engine) -> AsyncIterator[Opened]:
    async with opening(engine.url) as opened:
        yield opened


class TestAnEngine:
    async def test_may_be_killed_stopped_and_hang_under_load(
        self, engine: Engine, opened: Opened
    ) -> None:
        async with Load(opened(timeout=f"{PATIENCE:g}s")) as load:
            await load.goes_on()
            for end in (engine.kill, engine.stop):
                await asyncio.to_thread(end)
                await load.is_refused()
                await asyncio.to_thread(engine.start)
                await load.goes_on()
            await asyncio.to_thread(engine.pause)
            await load.is_refused()
            await asyncio.to_thread(engine.resume)
            await load.goes_on()
            await load.all_ran()
        assert load.longest < PATIENCE + SLACK
        assert not any("password" in said for said in load.said)

    async def test_may_be_away_at_the_start(self, engine: Engine, opened: Opened) -> None:
        jobs = opened(timeout="500ms")
        await asyncio.to_thread(engine.kill)
        with pytest.raises(BackendUnavailable):
            await jobs.check()
        with pytest.raises(BackendUnavailable):
            await jobs.wait("q", 5.0)
        await asyncio.to_thread(engine.start)

        async def is_well() -> bool:
            try:
                await jobs.check()
            except BackendUnavailable:
                return False
            return True

        await until(is_well)
        assert (await jobs.enqueue(NewJob("q", "n"))).new


class TestAPrimaryThatFails:
    @pytest.fixture
    def sentinel(self, tmp_path: Path) -> Iterator[RedisSentinel]:
        with RedisSentinel(tmp_path) as engine:
            yield engine

    async def test_loses_nothing_that_a_replica_has(self, sentinel: RedisSentinel) -> None:
        async with opening(sentinel.url) as opened, Load(opened(timeout="1s", replicas=1)) as load:
            await load.goes_on()
            taken = set(load.acknowledged)
            await asyncio.to_thread(sentinel.primary.kill)
            await load.is_refused()
            await asyncio.to_thread(sentinel.wait_for_primary, sentinel.replica)
            await asyncio.to_thread(sentinel.primary.start)
            # Which the sentinel would do too, in ten seconds.
            sentinel.primary.say("REPLICAOF", HOST, sentinel.replica.port)
            await load.goes_on()
            await load.all_ran()
            assert taken < load.acknowledged

    async def test_a_job_no_replica_has_is_not_acknowledged(self, sentinel: RedisSentinel) -> None:
        async with opening(sentinel.url) as opened:
            jobs = opened(timeout="1s", replicas=1)
            await asyncio.to_thread(sentinel.replica.kill)
            job = NewJob("q", "n")
            with pytest.raises(BackendUnavailable, match=r"0 of 1|no answer"):
                await jobs.enqueue(job)
            await asyncio.to_thread(sentinel.replica.start)

            async def is_taken() -> bool:
                try:
                    return bool(await jobs.enqueue(job))
                except BackendUnavailable:
                    return False

            await until(is_taken)
            assert [held.id for held in await take(jobs, "q", 10)] == [job.id]


class TestARefusal:
    async def test_of_redis_holds_no_password(self, tmp_path: Path) -> None:
        with Redis(tmp_path) as engine:
            engine.say("CONFIG", "SET", "requirepass", "right")
            for login in ("", ":secret-one@"):
                url = engine.url.replace("//", f"//{login}")
                async with opening(url) as opened:
                    with pytest.raises(Refused) as refusal:
                        await opened().enqueue(NewJob("q", "n"))
                    assert "secret-one" not in str(refusal.value)
            async with opening(engine.url.replace("//", "//:right@")) as opened:
                await opened().check()

    async def test_of_postgres_holds_no_password(self, postgres: Postgres) -> None:
        url = postgres.url.replace(":password@", ":secret-one@")
        async with opening(url) as opened:
            with pytest.raises(Refused) as refusal:
                await opened().enqueue(NewJob("q", "n"))
            assert "secret-one" not in str(refusal.value)

    async def test_of_a_redis_that_evicts_jobs(self, tmp_path: Path) -> None:
        settings = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
        with Redis(tmp_path, *settings) as engine:
            async with opening(engine.url) as opened:
                with pytest.raises(Refused, match="allkeys-lru"):
                    await opened().check()

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///:memory:",
            "sqlite://host/file",
            "sqlite:///f?poll=often",
            "sqlite:///f?history=-1",
            "sqlite:///f?timeout=5",
            "sqlite:///f?secret-option=1",
            "redis://",
            "redis://h/database",
            "redis://a,b/0",
            "redis+sentinel://h",
            "redis+cluster://h?replicas=1",
            "postgresql:///db",
            "postgresql://h/db?connections=0",
        ],
    )
    async def test_of_a_url_that_does_not_fit(self, url: str) -> None:
        async with opening(url) as opened:
            with pytest.raises(BackendError):
                opened()
