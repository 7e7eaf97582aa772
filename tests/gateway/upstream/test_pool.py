"""Connections to targets: kept, shared out, bounded, and given up in time."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.model import Target as TargetConfig
from gateway.config.model import Upstream as UpstreamConfig
from gateway.config.model import UpstreamTls
from gateway.telemetry.metrics import Metrics
from gateway.upstream.pool import Upstream
from gateway.upstream.target import reason, tls_context
from gateway.wheel import Wheel
from tests.gateway.serving import Served, serving, until, upstream

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: end by RST
CONFIG = """
upstreams:
  up: {targets: [%s], %s}
routes: [{id: all, match: {path: "/**"}, upstream: up, timeout: {connect: %s, request: 5s}}]
"""


def config(*urls: str, more: str = "", connect: str = "5s") -> str:
    return CONFIG % (", ".join(f'{{url: "{url}"}}' for url in urls), more, connect)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def asked(served: Served, count: int) -> list[asyncio.Task[bytes]]:
    return [asyncio.create_task(served.get()) for _ in range(count)]


@pytest.fixture
def deaf() -> Iterator[str]:
    """A target whose queue of connections is full: it never accepts one more."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        for filler in fillers:
            filler.close()


@pytest.fixture
def closed() -> str:
    """A target where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


async def test_a_connection_is_kept_and_used_again(tmp_path: Path) -> None:
    async with upstream() as echo, serving(tmp_path, config(echo.url)) as served:
        for _ in range(5):
            assert status(await served.get()) == 200
        target = served.upstream().targets[0]
        assert (echo.opened, target.open, len(target.idle)) == (1, 1, 1)
        assert repr(target) == f"<Target {echo.url} open=1 idle=1>"


async def test_no_more_are_open_than_allowed_and_the_others_wait_their_turn(tmp_path: Path) -> None:
    limit = config("%s", more="max_connections: 2")
    async with upstream() as echo, serving(tmp_path, limit % echo.url) as served:
        echo.go.clear()
        calls = await asked(served, 7)
        for _ in range(2):
            await echo.came.acquire()
        echo.go.set()
        assert [status(answer) for answer in await asyncio.gather(*calls)] == [200] * 7
        assert echo.opened == 2


async def test_who_waits_too_long_for_one_is_told_503_and_when_to_come_again(
    tmp_path: Path,
) -> None:
    limit = config("%s", more="max_connections: 1", connect="100ms")
    async with upstream() as echo, serving(tmp_path, limit % echo.url) as served:
        echo.go.clear()
        (first,) = await asked(served, 1)
        await echo.came.acquire()
        answer = await served.get()
        assert status(answer) == 503
        assert b"\r\nRetry-After: 1\r\n" in answer
        echo.go.set()
        assert status(await first) == 200
        assert status(await served.get()) == 200
        assert len(echo.heads) == 2


async def test_one_that_ended_gives_its_place_to_who_waits(tmp_path: Path) -> None:
    limit = config("%s", more="max_connections: 1")
    async with upstream() as echo, serving(tmp_path, limit % echo.url) as served:
        echo.go.clear()
        echo.last = True
        calls = await asked(served, 3)
        await echo.came.acquire()
        echo.go.set()
        assert [status(answer) for answer in await asyncio.gather(*calls)] == [200] * 3
        assert echo.opened == 3


async def test_a_client_that_left_while_it_waited_takes_no_connection(tmp_path: Path) -> None:
    limit = config("%s", more="max_connections: 1")
    async with upstream() as echo, serving(tmp_path, limit % echo.url) as served:
        echo.go.clear()
        (first,) = await asked(served, 1)
        await echo.came.acquire()
        target = served.upstream().targets[0]
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(target.waiting) == 1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        await until(lambda: not any(call.wanted for call in target.waiting))
        echo.go.set()
        assert status(await first) == 200
        assert status(await served.get(path="/next")) == 200
        assert [head.split()[1] for head in echo.heads] == [b"/", b"/next"]
        assert echo.opened == 1


async def test_a_connection_too_old_is_not_used_again(tmp_path: Path) -> None:
    old = config("%s", more="max_age: 1ms")
    async with upstream() as echo, serving(tmp_path, old % echo.url) as served:
        for _ in range(3):
            assert status(await served.get()) == 200
            await asyncio.sleep(0.002)  # longer than its age
        assert echo.opened == 3


async def test_one_that_lies_idle_is_closed_in_time(tmp_path: Path) -> None:
    idle = config("%s", more="keep_idle: 50ms")
    async with upstream() as echo, serving(tmp_path, idle % echo.url) as served:
        assert status(await served.get()) == 200
        await until(lambda: served.upstream().targets[0].open == 0)
        assert not served.upstream().targets[0].idle


async def test_a_target_that_is_gone_is_502_and_holds_no_place(tmp_path: Path, closed: str) -> None:
    limit = config(closed, more="max_connections: 1")
    async with serving(tmp_path, limit) as served:
        for _ in range(3):
            assert status(await served.get()) == 502
        target = served.upstream().targets[0]
        assert (target.open, target.reachable) == (0, False)


async def test_a_target_that_does_not_accept_is_504_and_holds_no_place(
    tmp_path: Path, deaf: str
) -> None:
    limit = config(deaf, more="max_connections: 1", connect="50ms")
    async with serving(tmp_path, limit) as served:
        for _ in range(2):
            assert status(await served.get()) == 504
        target = served.upstream().targets[0]
        assert (target.open, target.reachable) == (0, False)


async def test_a_target_that_is_gone_is_made_good_by_another(tmp_path: Path, closed: str) -> None:
    async with upstream() as echo, serving(tmp_path, config(closed, echo.url)) as served:
        for _ in range(4):
            assert status(await served.get()) == 200
        assert [target.reachable for target in served.upstream().targets] == [False, True]


async def test_a_unix_socket_is_a_target_like_any_other(tmp_path: Path) -> None:
    async with upstream() as echo:
        server = await asyncio.start_unix_server(echo.serve, tmp_path / "up.sock")
        async with serving(tmp_path, config(f"unix:{tmp_path}/up.sock")) as served:
            answer = await served.ask("GET /x?y HTTP/1.0")
            assert status(answer) == 200
            assert answer.split(b"\r\n\r\n")[1].startswith(b"GET /x?y HTTP/1.1\r\nHost: ")
            server.close()
            (tmp_path / "up.sock").unlink(missing_ok=True)  # a server of 3.13 has done so
            while echo.writers:
                echo.writers.pop().close()
            assert status(await served.get()) == 502


async def test_once_retired_nothing_is_kept(tmp_path: Path) -> None:
    async with upstream() as echo, serving(tmp_path, config(echo.url)) as served:
        assert status(await served.get()) == 200
        echo.go.clear()
        calls = await asked(served, 2)
        for _ in range(3):
            await echo.came.acquire()
        served.upstream().retire()
        echo.go.set()
        assert [status(answer) for answer in await asyncio.gather(*calls)] == [200, 200]
        await until(lambda: served.upstream().targets[0].open == 0)
        assert not served.upstream().targets[0].idle


@pytest.mark.parametrize(
    ("url", "host", "port", "base", "authority"),
    [
        ("http://a.test", "a.test", 80, b"", b"a.test"),
        ("http://a.test:81/base/", "a.test", 81, b"/base", b"a.test:81"),
        ("https://a.test", "a.test", 443, b"", b"a.test"),
        ("http://[::1]:82", "::1", 82, b"", b"[::1]:82"),
        ("unix:/run/x.sock", "", 80, b"", b"localhost"),
    ],
)
async def test_a_targets_url_says_where_it_is(
    url: str, host: str, port: int, base: bytes, authority: bytes
) -> None:
    loop = asyncio.get_running_loop()
    up = Upstream(
        "up", UpstreamConfig(targets=[TargetConfig(url=url)]), loop, Wheel(loop), Metrics()
    )
    target = up.targets[0]
    assert (target.host, target.port, target.base, target.authority) == (
        host,
        port,
        base,
        authority,
    )
    assert (target.tls is not None) is url.startswith("https:")


def test_certificates_and_names_are_always_verified(tmp_path: Path) -> None:
    for tls in (None, UpstreamTls(server_name="b.test")):
        context = tls_context(tls)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    with pytest.raises(OSError, match="No such file"):
        tls_context(UpstreamTls(ca=str(tmp_path / "none.pem")))
    with pytest.raises(OSError, match="No such file"):
        tls_context(UpstreamTls(cert=str(tmp_path / "none.pem"), key=str(tmp_path / "none.key")))


def test_an_errors_reason_is_never_empty() -> None:
    assert reason(OSError(111, "Connection refused")) == "Connection refused"
    assert reason(OSError("said so")) == "said so"
    assert reason(ConnectionResetError()) == "ConnectionResetError"
