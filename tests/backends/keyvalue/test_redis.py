from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.keyvalue import DRIVERS, KeyValue
from tests.conformance.keyvalue import KeyValueContract, Wait
from tests.e2e.certificates import Authority
from tests.engines.redis import Redis, RedisCluster, RedisSentinel

PATIENT = "timeout=10s"  # where slowness is not the point


class OnRedis(KeyValueContract):
    @pytest.fixture
    def wait(self) -> Wait:
        return asyncio.sleep


class TestRedisKeyValue(OnRedis):
    @pytest.fixture
    async def keyvalue(self, redis: Redis) -> AsyncIterator[KeyValue]:
        keyvalue = DRIVERS.open(f"{redis.url}/3?{PATIENT}")
        yield keyvalue
        await keyvalue.close()


class TestRedisClusterKeyValue(OnRedis):
    @pytest.fixture
    async def keyvalue(self, redis_cluster: RedisCluster) -> AsyncIterator[KeyValue]:
        keyvalue = DRIVERS.open(f"{redis_cluster.url}?{PATIENT}")
        yield keyvalue
        await keyvalue.close()


class TestRedisSentinelKeyValue(OnRedis):
    @pytest.fixture
    async def keyvalue(self, redis_sentinel: RedisSentinel) -> AsyncIterator[KeyValue]:
        keyvalue = DRIVERS.open(f"{redis_sentinel.url}/1?{PATIENT}")
        yield keyvalue
        await keyvalue.close()


def opened(url: str, prefix: str) -> KeyValue:
    return DRIVERS.open(f"{url}/4?{PATIENT}&prefix={prefix}")


async def test_drivers_with_different_prefixes_share_a_server(redis: Redis) -> None:
    one, other = opened(redis.url, "on*e:"), opened(redis.url, "one:")
    await one.set("key", b"1")
    await other.set("key", b"2")
    assert await one.get("key") == b"1"
    assert await one.delete_prefix("") == 1
    assert await other.get("key") == b"2"
    assert await other.delete_prefix("") == 1
    await one.close()
    await other.close()


async def test_two_drivers_see_the_same(redis: Redis) -> None:
    one, other = opened(redis.url, "same:"), opened(redis.url, "same:")
    added = await asyncio.gather(*[each.add("key", b"") for each in (one, other) * 20])
    assert added.count(True) == 1
    await one.increment("number")
    assert await other.increment("number") == 2
    await one.close()
    await other.close()


async def test_a_pool_is_bounded(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        keyvalue = DRIVERS.open(f"{server.url}?{PATIENT}&pool=3")
        await asyncio.gather(*[keyvalue.increment("key") for _ in range(300)])
        assert await keyvalue.get("key") == b"300"
        said = await asyncio.to_thread(server.say, "CLIENT", "LIST")
        assert said.count(b"\nid=") + said.count(b" id=") <= 3 + 1
        await keyvalue.close()


async def test_a_script_that_the_server_has_forgotten_is_sent_again(redis: Redis) -> None:
    keyvalue = opened(redis.url, "script:")
    assert await keyvalue.swap("key", None, b"1")
    await asyncio.to_thread(redis.say, "SCRIPT", "FLUSH")
    assert await keyvalue.swap("key", b"1", None)
    await keyvalue.close()


async def test_a_full_server_refuses_and_still_reads(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        keyvalue = DRIVERS.open(f"{server.url}?{PATIENT}")
        await keyvalue.set("key", b"kept")
        await asyncio.to_thread(server.say, "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(Refused, match="full"):
            await keyvalue.set("other", b"")
        assert await keyvalue.get("key") == b"kept"
        await keyvalue.close()


async def test_a_single_server_is_no_cluster(redis: Redis) -> None:
    keyvalue = DRIVERS.open(redis.url.replace("redis://", "redis+cluster://"))
    with pytest.raises(Refused, match="not a cluster"):
        await keyvalue.check()
    await keyvalue.close()


async def test_a_group_that_sentinels_do_not_know_is_unavailable(
    redis_sentinel: RedisSentinel,
) -> None:
    keyvalue = DRIVERS.open(redis_sentinel.url.replace("mymaster", "other"))
    with pytest.raises(BackendUnavailable):
        await keyvalue.check()
    await keyvalue.close()


class TestAPassword:
    SECRET = "s3cr:t/@%hunter2"
    QUOTED = "s3cr%3At%2F%40%25hunter2"

    async def test_in_the_url_is_used(self, tmp_path: Path) -> None:
        with Guarded(tmp_path, self.SECRET) as server:
            for user in ("", "default"):
                url = server.url.replace("//", f"//{user}:{self.QUOTED}@")
                keyvalue = DRIVERS.open(f"{url}?{PATIENT}")
                await keyvalue.check()
                await keyvalue.close()

    @pytest.mark.parametrize("login", ["", ":hunter2@", "me:hunter2@"])
    async def test_that_is_wrong_is_refused_and_never_told(
        self, tmp_path: Path, login: str
    ) -> None:
        with Guarded(tmp_path, self.SECRET) as server:
            keyvalue = DRIVERS.open(f"{server.url.replace('//', f'//{login}')}?{PATIENT}")
            for call in (keyvalue.check(), keyvalue.set("key", b"hunter2")):
                with pytest.raises(Refused, match="login") as raised:
                    await call
                assert "hunter2" not in f"{raised.value!r} {raised.value.__cause__!r}"
            await keyvalue.close()


class Guarded(Redis):
    def __init__(self, folder: Path, password: str) -> None:
        super().__init__(folder, "--requirepass", password)

    def answers(self) -> bool:
        return self.say("PING").startswith(b"-NOAUTH")


class TestTls:
    async def test_is_spoken_and_the_certificate_verified(
        self, redis: Redis, tmp_path: Path
    ) -> None:
        authority = Authority(tmp_path)
        tunnel = await asyncio.start_server(
            lambda *streams: _pass_on(redis.port, *streams),
            "localhost",
            ssl=authority.serving("localhost"),
        )
        port = tunnel.sockets[0].getsockname()[1]
        trusting = DRIVERS.open(f"rediss://localhost:{port}/4?{PATIENT}&tls_ca={authority.ca}")
        await trusting.check()
        await trusting.close()
        other = DRIVERS.open(f"rediss://localhost:{port}?{PATIENT}")
        with pytest.raises(BackendUnavailable):
            await other.check()
        await other.close()
        tunnel.close()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from_redis, to_redis = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, to_redis), _pump(from_redis, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hunter2@", "needs a host"),
        ("redis://:hunter2@one,two/0", "needs a host"),
        ("redis://:hunter2@host:hunter2/0", "not a well-formed URL"),
        ("redis://:hunter2@host/hunter2", "number of the database"),
        ("redis://:hunter2@host?timeout=hunter2", "duration such as 2s"),
        ("redis://:hunter2@host?timeout=0ms", "duration such as 2s"),
        ("redis://:hunter2@host?pool=hunter2", "pool in a redis:// URL is not as expected"),
        ("redis://:hunter2@host?pool=0", "pool is a number from 1"),
        ("redis://:hunter2@host?password=hunter2", "has no option password; there are pool"),
        ("redis+cluster://:hunter2@host/1", "takes no path"),
        ("redis+sentinel://:hunter2@host", "needs the primary's name"),
        ("redis+sentinel://:hunter2@host/a/hunter2", "needs the primary's name"),
    ],
)
def test_a_wrong_url_says_what_is_wrong_and_no_secret(url: str, message: str) -> None:
    with pytest.raises(BackendError, match=message) as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)


def test_opening_connects_to_nothing() -> None:
    for scheme in DRIVERS:
        if scheme != "memory":
            DRIVERS.open(f"{scheme}://host.invalid/{'group' if 'sentinel' in scheme else ''}")
