"""Jobs over TLS, with a certificate of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.jobs import DRIVERS, NewJob
from tests.backends.tls_tunnel import tunnel
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis


async def comes_through(url: str, options: str, without: str) -> None:
    jobs = DRIVERS.open(f"{url}?timeout=10s&{options}")
    await jobs.enqueue(NewJob("queue", "kind"))
    assert len((await jobs.claim("queue", "worker", 1, 30.0)).jobs) == 1
    await jobs.close()
    for wrong in ("tls=true", without):
        jobs = DRIVERS.open(f"{url}?timeout=3s&{wrong}")
        with pytest.raises(BackendError) as raised:
            await jobs.check()
        assert "hunter2" not in str(raised.value)
        await jobs.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_of_redis(redis: Redis, tmp_path: Path, scheme: str) -> None:
    async with tunnel(tmp_path, redis.port) as through:
        where = f"{scheme}://localhost:{through.port}/2"
        await comes_through(where, f"{through.options}&prefix={tmp_path}", f"tls_ca={through.ca}")


async def test_of_postgresql(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    async with tunnel(tmp_path, postgres.port, asked=True) as through:
        where = postgres_url.replace(f"127.0.0.1:{postgres.port}", f"localhost:{through.port}")
        await comes_through(where, through.options, f"tls_ca={through.ca}")
