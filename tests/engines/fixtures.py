"""One server an engine, for all the tests of a process; imported by a conftest.py.

A test that stops or kills its engine starts one of its own: `with Postgres(tmp_path) as engine`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.nats import Nats
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis, RedisCluster, RedisSentinel


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as engine:
        yield engine


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """Of an empty database, this test's alone."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as engine:
        yield engine


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as engine:
        yield engine


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    with RedisSentinel(tmp_path_factory.mktemp("sentinel")) as engine:
        yield engine


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats")) as engine:
        yield engine
