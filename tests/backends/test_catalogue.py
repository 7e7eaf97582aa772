"""Engines are opened when asked for, waited for at start, and closed whatever happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.catalogue import EMBEDDED, Backends, drivers
from backends.errors import BackendError, BackendUnavailable, Refused
from tests.backends.limits.redis_server import RedisServer


class Engine:
    """Answers a check after some failures."""

    def __init__(self, *failures: BackendError) -> None:
        self.failures = list(failures)
        self.closed = 0

    async def check(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def close(self) -> None:
        self.closed += 1
        if self.closed == 1 and self.failures:
            raise self.failures[0]


def test_a_driver_is_made_once() -> None:
    backends = Backends({"limits": "memory://"})
    assert backends.limits is backends.limits
    assert backends.open("limits") is backends.limits


def test_what_has_no_default_says_so() -> None:
    with pytest.raises(BackendError, match="documents: it has no embedded default; set its URL"):
        Backends({}).open("documents")


def test_what_is_no_capability_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        drivers("sqk")


@pytest.mark.parametrize("capability", EMBEDDED)
def test_every_capability_has_drivers(capability: str) -> None:
    default = EMBEDDED[capability]
    assert default is None or default.partition("://")[0] in drivers(capability)


async def test_an_engine_that_is_not_up_yet_is_waited_for(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    backends = Backends({"limits": server.url})
    waiting = asyncio.create_task(backends.ready(["limits"]))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    with server:
        await waiting
        assert list(backends.checks()) == ["limits"]
        await backends.checks()["limits"]()
        await backends.close()


async def test_an_engine_that_does_not_come_is_told_after_the_patience(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backends = Backends({"limits": RedisServer(tmp_path).url})
    with pytest.raises(BackendUnavailable, match="limits: redis://127"):
        await backends.ready(["limits"], patience=0.5)
    (said,) = [each.getMessage() for each in caplog.records]  # it tried several times
    assert said.startswith("backends.limits: redis://127")
    assert not backends.checks()
    await backends.close()


async def test_one_that_refuses_is_told_at_once() -> None:
    engine = Engine(Refused("sql: wrong password"))
    with pytest.raises(Refused, match="wrong password"):
        await Backends({}, {"sql": engine}).ready(["sql"])


async def test_all_are_closed_also_when_one_fails_to(caplog: pytest.LogCaptureFixture) -> None:
    engines = {"sql": Engine(), "events": Engine(BackendUnavailable("events: gone"))}
    backends = Backends({}, engines)
    await backends.close()
    assert [engine.closed for engine in engines.values()] == [1, 1]
    assert "backends.events failed to close" in caplog.text
    await backends.close()
