"""One server an engine, for all the tests of a process, and the big ones for all of a session;
imported by a conftest.py.

A test that stops or kills its engine starts one of its own: `with Postgres(tmp_path) as engine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.azurite import Azurite
from tests.engines.kafka import Kafka
from tests.engines.minio import Minio
from tests.engines.mongodb import MongoDB
from tests.engines.nats import Nats
from tests.engines.oidc import Oidc
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis, RedisCluster, RedisSentinel
from tests.engines.searching import Elasticsearch, OpenSearch
from tests.engines.shared import shared


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


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    with Minio(tmp_path_factory.mktemp("minio")) as engine:
        yield engine


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as engine:
        yield engine


@pytest.fixture(scope="session")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oidc]:
    with Oidc(tmp_path_factory.mktemp("oidc")) as engine:
        yield engine


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoDB]:
    with MongoDB(tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The same in every process of the session."""
    mine = tmp_path_factory.getbasetemp()
    return mine if worker_id == "master" else mine.parent


@pytest.fixture(scope="session")
def kafka(session_folder: Path) -> Iterator[Kafka]:
    with shared(Kafka, session_folder / "kafka") as engine:
        yield engine


@pytest.fixture(scope="session")
def elasticsearch(session_folder: Path) -> Iterator[Elasticsearch]:
    with shared(Elasticsearch, session_folder / "elasticsearch") as engine:
        yield engine


@pytest.fixture(scope="session")
def opensearch(session_folder: Path) -> Iterator[OpenSearch]:
    with shared(OpenSearch, session_folder / "opensearch") as engine:
        yield engine
