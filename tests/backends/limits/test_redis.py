from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable
from backends.limits import DRIVERS, Decision, Limits
from backends.limits.redis import RedisLimits
from tests.backends.limits.redis_server import RedisServer
from tests.backends.limits.taking import elapsed, takers, together
from tests.conformance.limits import HOUR, LimitsContract, Wait
from tests.e2e.certificates import Authority

PATIENT = "?timeout=5s"  # where slowness is not the point


@pytest.fixture
async def limits(redis: RedisServer) -> AsyncIterator[Limits]:
    limits = DRIVERS.open(redis.url + PATIENT)
    yield limits
    await limits.close()


async def take(limits: Limits, key: str, *numbers: float) -> Decision:
    count, seconds, burst = numbers
    said = limits.take(key, int(count), seconds, int(burst))
    return await said if inspect.isawaitable(said) else said


class TestRedisLimits(LimitsContract):
    @pytest.fixture
    def wait(self) -> Wait:
        return asyncio.sleep


async def test_exactly_the_configured_number_passes_three_clients(redis: RedisServer) -> None:
    url = redis.url + PATIENT
    with takers(url, (1, HOUR, 1000), "500", key="three of them", many=3) as three:
        assert sum(taken.passed for taken in together(three)) == 1000


async def test_exactly_the_configured_rate_passes_three_clients(redis: RedisServer) -> None:
    url = redis.url + PATIENT
    with takers(url, (500, 1.0, 500), "1.5s", key="steady three", many=3) as three:
        taken = together(three)
    least, most = (500 + int(seconds * 500) for seconds in elapsed(taken))
    assert least * 0.98 <= sum(each.passed for each in taken) <= most


async def test_a_key_expires_when_it_no_longer_counts(limits: Limits, redis: RedisServer) -> None:
    assert (await take(limits, "short", 10, 1.0, 1)).allowed
    assert redis.say("PTTL ait-gateway:limits:short") in [b":%d\r\n" % left for left in range(103)]
    await asyncio.sleep(0.11)
    assert redis.say("EXISTS ait-gateway:limits:short") == b":0\r\n"


async def test_a_script_that_the_server_has_forgotten_is_sent_again(fragile: RedisServer) -> None:
    limits = DRIVERS.open(fragile.url + PATIENT)
    assert (await take(limits, "key", 1, HOUR, 2)).allowed
    fragile.say("SCRIPT FLUSH")
    assert (await take(limits, "key", 1, HOUR, 2)).allowed
    assert not (await take(limits, "key", 1, HOUR, 2)).allowed
    await limits.close()


async def test_a_value_that_is_no_number_counts_as_none(limits: Limits, redis: RedisServer) -> None:
    redis.say("SET ait-gateway:limits:odd what")
    assert (await take(limits, "odd", 1, HOUR, 1)).allowed
    assert not (await take(limits, "odd", 1, HOUR, 1)).allowed


async def test_a_clock_that_was_set_back_owes_at_most_the_burst(
    limits: Limits, redis: RedisServer
) -> None:
    redis.say("SET ait-gateway:limits:future 9e15")
    refused = await take(limits, "future", 36, HOUR, 2)
    assert not refused.allowed
    assert refused.reset == pytest.approx(200, abs=1)


async def test_who_no_longer_waits_takes_nothing(limits: Limits) -> None:
    for decision in [take(limits, "gone", 1, HOUR, 3) for _ in range(3)]:
        task = asyncio.ensure_future(decision)
        await asyncio.sleep(0)
        task.cancel()
    assert (await take(limits, "gone", 1, HOUR, 3)).remaining == 2


async def test_a_database_keeps_its_own_counts(redis: RedisServer) -> None:
    for database in "01":
        limits = DRIVERS.open(redis.url.removesuffix("0") + database + PATIENT)
        assert (await take(limits, "same", 1, HOUR, 1)).allowed
        await limits.close()


async def test_a_closed_one_has_answered_those_who_waited_and_refuses_others(
    redis: RedisServer,
) -> None:
    limits = DRIVERS.open(redis.url + PATIENT)
    waiting = [asyncio.ensure_future(take(limits, "closing", 1, HOUR, 2)) for _ in range(3)]
    await asyncio.sleep(0)
    await limits.close()
    said = [decision.allowed for decision in await asyncio.gather(*waiting)]
    assert said == [True, True, False]
    with pytest.raises(BackendUnavailable, match="closed"):
        await take(limits, "closing", 1, HOUR, 2)


class TestAPassword:
    @pytest.fixture
    def guarded(self, tmp_path: Path) -> RedisServer:
        return RedisServer(tmp_path, "--requirepass", "s3cr:t/@%")

    async def test_in_the_url_is_used(self, guarded: RedisServer) -> None:
        with guarded:
            for user in ("", "default"):
                secret = f"{user}:s3cr%3At%2F%40%25@"
                limits = DRIVERS.open(guarded.url.replace("//", f"//{secret}") + PATIENT)
                assert (await take(limits, f"key {user}", 1, HOUR, 1)).allowed
                await limits.close()

    @pytest.mark.parametrize("secret", ["", ":hunter2@", "me:hunter2@"])
    async def test_that_is_wrong_is_never_told(self, guarded: RedisServer, secret: str) -> None:
        with guarded:
            limits = DRIVERS.open(guarded.url.replace("//", f"//{secret}") + PATIENT)
            for _ in range(2):
                with pytest.raises(BackendUnavailable, match="Auth") as raised:
                    await take(limits, "key", 1, HOUR, 1)
                assert "hunter2" not in f"{raised.value!r} {raised.value.__cause__!r}"
            assert "hunter2" not in repr(limits)
            await limits.close()


class TestTls:
    async def test_is_spoken_and_the_certificate_verified(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        with RedisServer(tmp_path) as server:
            tunnel = await asyncio.start_server(
                lambda *streams: _pass_on(server.port, *streams),
                "localhost",
                ssl=authority.serving("localhost"),
            )
            port = tunnel.sockets[0].getsockname()[1]
            trusting = DRIVERS.open(f"rediss://localhost:{port}/0?timeout=5s&tls_ca={authority.ca}")
            assert (await take(trusting, "key", 1, HOUR, 1)).allowed
            await trusting.close()
            other = DRIVERS.open(f"rediss://localhost:{port}/0?timeout=5s")
            with pytest.raises(BackendUnavailable):
                await take(other, "key", 1, HOUR, 1)
            await other.close()
        tunnel.close()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from_redis, to_redis = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, to_redis), _pump(from_redis, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    writer.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hunter2@", "needs a host"),
        ("redis://:hunter2@[host/0", "not a well-formed URL"),
        ("redis://:hunter2@host:hunter2/0", "not a well-formed URL"),
        ("redis://:hunter2@host:99999/0", "not a well-formed URL"),
        ("redis://:hunter2@host/hunter2", "number of the database"),
        ("redis://:hunter2@host/0?timeout=hunter2", "duration such as 2s"),
        ("redis://:hunter2@host/0?timeout=0ms", "duration such as 2s"),
        ("redis://:hunter2@host/0?lease=hunter2", "lease in a redis:// URL is not"),
        ("redis://:hunter2@host/0?lease=1001", "up to 1000"),
        ("redis://:hunter2@host/0?password=hunter2", "there are timeout, lease, tls"),
        ("redis://:hunter2@host/0?tls=false&tls_ca=hunter2", "tls is true or false"),
    ],
)
def test_a_wrong_url_says_what_is_wrong_and_no_secret(url: str, message: str) -> None:
    with pytest.raises(BackendError, match=message) as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)


def test_opening_connects_to_nothing() -> None:
    for scheme in ("redis", "rediss"):
        assert isinstance(DRIVERS.open(f"{scheme}://host.invalid"), RedisLimits)


def test_a_missing_extra_says_its_cure() -> None:
    code = """
import sys
sys.modules["redis"] = None
from backends.errors import BackendError
from backends.limits import DRIVERS
try:
    DRIVERS.open("redis://localhost")
except BackendError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'ait-gateway[redis]'" in done.stdout, done.stderr
