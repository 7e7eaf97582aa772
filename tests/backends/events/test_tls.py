"""Events over TLS, with a certificate of their own; Kafka's are in test_kafka_secured.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import BackendError, Refused
from backends.events import DRIVERS
from tests.backends.tls_tunnel import tunnel
from tests.conformance.events import bodies
from tests.e2e.certificates import Authority
from tests.engines.nats import Nats
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis


async def comes_through(url: str, options: str, without: str) -> None:
    events = DRIVERS.open(f"{url}?timeout=10s&{options}")
    async with events.subscribe("a") as said:
        await events.publish("a", b"1")
        assert await bodies(said, 1) == [b"1"]
    await events.close()
    for wrong in ("tls=true", without):
        events = DRIVERS.open(f"{url}?timeout=3s&{wrong}")
        with pytest.raises(BackendError) as raised:
            await events.check()
        assert "hunter2" not in str(raised.value)
        await events.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+stream", "rediss+stream"])
async def test_of_redis(redis: Redis, tmp_path: Path, scheme: str) -> None:
    async with tunnel(tmp_path, redis.port) as through:
        where = f"{scheme}://localhost:{through.port}/1"
        await comes_through(where, through.options, f"tls_ca={through.ca}")


async def test_of_postgresql(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    async with tunnel(tmp_path, postgres.port, asked=True) as through:
        where = postgres_url.replace(f"127.0.0.1:{postgres.port}", f"localhost:{through.port}")
        await comes_through(where, through.options, f"tls_ca={through.ca}")


async def test_of_nats(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    cert, key = authority.issue("localhost")
    mine, mine_key = authority.issue("client")
    served = (f"--tlscert={cert}", f"--tlskey={key}", f"--tlscacert={authority.ca}")
    with Nats(tmp_path / "nats", "--tlsverify", *served, "--user=me", "--pass=hunter2") as server:
        where = f"nats://me:hunter2@localhost:{server.port}/log"
        options = f"tls_ca={authority.ca}&tls_cert={mine}&tls_key={mine_key}"
        await comes_through(where, options, f"tls_ca={authority.ca}")
        events = DRIVERS.open(where.replace("hunter2", "hunter3") + f"?{options}&timeout=10s")
        with pytest.raises(Refused, match="login refused") as raised:
            await events.check()
        assert "hunter3" not in str(raised.value)
        await events.close()
