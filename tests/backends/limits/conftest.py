from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from backends.limits.segment import FOLDER
from tests.backends.limits.redis_server import RedisServer

names = count()


@pytest.fixture(scope="package")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Shared by tests that do it no harm."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[RedisServer]:
    """For one test to stop and kill."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def shm_name() -> Iterator[str]:
    """Of a segment that nobody else uses, gone afterwards though its users were killed."""
    name = f"test-{os.getpid()}-{next(names)}"
    yield name
    (FOLDER / f"ait-gateway.{os.geteuid()}.{name}").unlink(missing_ok=True)
