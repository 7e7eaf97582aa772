"""Checks ask real servers, never stop, and are made by one worker of a host for all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import ActiveCheck, Health, Upstream, UpstreamTls
from gateway.config.model import Target as TargetConfig
from gateway.seat import Seat
from gateway.upstream.checks import TOPIC, Check, HealthChecks, HostChecks, Verdict
from tests.e2e.certificates import Authority
from tests.gateway.serving import until

NOBODY: dict[tuple[str, str], bool] = {}


class Server:
    """Answers each connection with `reply`; None is silence."""

    def __init__(self) -> None:
        self.reply: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.reply is not None:
                writer.write(self.reply)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def server(unix: Path | None = None, **tls: Any) -> AsyncIterator[Server]:
    made = Server()
    if unix is not None:
        listening = await asyncio.start_unix_server(made.serve, unix)
        made.url = f"unix:{unix}"
    else:
        listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, **tls)
        scheme = "https" if tls else "http"
        made.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield made


def upstream(*urls: str, tls: UpstreamTls | None = None, **active: Any) -> Upstream:
    check = ActiveCheck(**{"interval": 0.02, "timeout": 1.0} | active)
    targets = [TargetConfig(url=url) for url in urls]
    return Upstream(targets=targets, health=Health(active=check), tls=tls)


@asynccontextmanager
async def checking(config: Upstream, known: bool | None = None) -> AsyncIterator[list[Verdict]]:
    verdicts: list[Verdict] = []
    checks = HealthChecks(verdicts.append)
    believed = {("up", each.url): known for each in config.targets} if known is not None else {}
    checks.use({"up": config}, believed)
    try:
        yield verdicts
    finally:
        await checks.stop()


async def first(config: Upstream) -> Verdict:
    async with checking(config) as verdicts:
        await until(lambda: bool(verdicts))
        return verdicts[0]


async def test_2xx_and_3xx_are_well_and_nothing_else() -> None:
    async with server() as target:
        for status, well in [(200, True), (204, True), (301, True), (404, False), (503, False)]:
            target.reply = b"HTTP/1.1 %d X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" % status
            verdict = await first(upstream(target.url, path="/healthz?full=%2F"))
            assert (verdict.healthy, verdict.url) == (well, target.url)
            assert well or verdict.why == f"the check was answered {status}"
    assert {head.split(b"\r\n")[0] for head in target.heads} == {b"GET /healthz?full=%2F HTTP/1.1"}
    assert b"\r\nUser-Agent: ait-gateway health check\r\n" in target.heads[0]


async def test_a_base_path_goes_before_the_checks_path() -> None:
    async with server() as target:
        await first(upstream(f"{target.url}/base/", path="/ok"))
    assert target.heads[0].startswith(b"GET /base/ok HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (None, "no answer to the check within 0.05 s"),
        (b"", "the check failed: ServerDisconnectedError"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the check failed: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, "the check failed: "),
    ],
)
async def test_what_is_no_answer_is_not_well(reply: bytes | None, why: str) -> None:
    async with server() as target:
        target.reply = reply
        timeout = 0.05 if reply is None else 5.0
        verdict = await first(upstream(target.url, path="/", timeout=timeout))
    assert not verdict.healthy
    assert verdict.why.startswith(why)


@pytest.mark.parametrize("path", [None, "/"])
async def test_where_nobody_listens_it_is_not_well(path: str | None, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{sock.getsockname()[1]}"
        for url in (closed, f"unix:{tmp_path}/none.sock"):
            verdict = await first(upstream(url, path=path))
            assert not verdict.healthy
            assert verdict.why.startswith("the check failed: ")


@pytest.mark.parametrize("path", [None, "/"])
async def test_a_unix_socket_can_be_checked(path: str | None, tmp_path: Path) -> None:
    async with server(tmp_path / "up.sock") as target:
        assert (await first(upstream(target.url, path=path))).healthy


async def test_without_a_path_it_is_enough_to_connect() -> None:
    async with server() as target:
        target.reply = None
        assert (await first(upstream(target.url))).healthy


@pytest.mark.parametrize("path", [None, "/"])
async def test_tls_is_verified(path: str | None, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.serving("up.test")
    tls = UpstreamTls(ca=str(authority.ca), server_name="up.test")
    async with server(ssl=context) as target:
        assert (await first(upstream(target.url, tls=tls, path=path))).healthy
        for wrong in (None, UpstreamTls(ca=tls.ca), UpstreamTls(ca=str(tmp_path / "none.pem"))):
            assert not (await first(upstream(target.url, tls=wrong, path=path))).healthy


async def test_so_many_in_a_row_change_the_verdict() -> None:
    verdicts: list[Verdict] = []
    config = ActiveCheck(healthy=2, unhealthy=3)
    check = Check(("up", "http://a", config, None), True, verdicts.append)
    counted = [True, False, False, True, False, False, False, True, False, True, True]
    told = []
    for well in counted:
        before = len(verdicts)
        check.count(well, "")
        told.append(verdicts[-1].healthy if len(verdicts) > before else None)
    assert told == [True, None, None, True, None, None, False, None, False, None, True]


async def test_the_first_check_decides_alone_where_nothing_is_known() -> None:
    async with server() as target:
        target.reply = b""
        async with checking(upstream(target.url, path="/")) as verdicts:
            await until(lambda: bool(verdicts))
            assert not verdicts[0].healthy
        target.heads.clear()
        async with checking(upstream(target.url, path="/", unhealthy=3), known=True) as verdicts:
            await until(lambda: bool(verdicts))
            assert len(target.heads) >= 3


async def test_what_goes_wrong_in_a_check_does_not_end_the_checks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with checking(upstream("http://a b", path="/")) as verdicts:
        await until(lambda: len(verdicts) > 2)
    assert not verdicts[0].healthy
    assert verdicts[0].why.startswith("the check failed: ")


async def test_new_checks_start_old_ones_stop_and_the_others_go_on() -> None:
    verdicts: list[Verdict] = []
    checks = HealthChecks(verdicts.append)
    async with server() as one, server() as two:
        checks.use({"up": upstream(one.url)}, NOBODY)
        await until(lambda: bool(verdicts))
        checks.use({"up": upstream(one.url, two.url), "off": Upstream(targets=[])}, NOBODY)
        await until(lambda: {each.url for each in verdicts} == {one.url, two.url})
        checks.use({"up": upstream(two.url)}, NOBODY)
        await asyncio.sleep(0)  # lets the cancelled one end
        verdicts.clear()
        await until(lambda: len(verdicts) > 3)
        assert {each.url for each in verdicts} == {two.url}
        await checks.stop()


async def test_only_the_worker_that_leads_checks_and_all_hear_of_it() -> None:
    heard: dict[str, list[Verdict]] = {"leader": [], "other": []}
    other = Seat(1, leads=False)
    leader = Seat(0, outward=other.broadcast.deliver)
    async with server() as target:
        checks = [
            HostChecks(leader, heard["leader"].append),
            HostChecks(other, heard["other"].append),
        ]
        for each in checks:
            each.use({"up": upstream(target.url, path="/", unhealthy=2)})
        await until(lambda: len(heard["leader"]) > 1 and len(heard["other"]) > 1)
        assert set(heard["leader"]) == set(heard["other"])
        leader.leadership.turn(False)
        await asyncio.sleep(0)  # lets the cancelled one end
        heard["other"].clear()
        heard["leader"].clear()
        asked = len(target.heads)
        target.reply = b""
        other.leadership.turn(True)
        await until(lambda: bool(heard["other"]))
        assert not heard["other"][0].healthy
        assert len(target.heads) >= asked + 2, "one bad check is not enough: it was well before"
        assert heard["leader"] == []
        for each in checks:
            await each.stop()


async def test_a_worker_that_starts_later_hears_at_once_what_is_known() -> None:
    heard: list[Verdict] = []
    leader = Seat(0)

    def to_leader(topic: str, payload: bytes) -> None:
        leader.broadcast.deliver(topic, payload)

    late = Seat(1, to_leader, leads=False)
    leader = Seat(0, late.broadcast.deliver)
    config = {"up": upstream("http://127.0.0.1:1", interval=3600)}
    checks = HostChecks(leader, lambda verdict: None)
    checks.use(config)
    told: list[bytes] = []
    late.broadcast.subscribe(TOPIC, told.append)
    await until(lambda: len(told) == 1)
    late_checks = HostChecks(late, heard.append)
    for _ in range(2):
        late_checks.use(config)
    await until(lambda: bool(heard))
    assert not heard[0].healthy
    assert len(told) == 2, "it asks once"
    for each in (checks, late_checks):
        await each.stop()


async def test_what_is_no_longer_checked_is_forgotten() -> None:
    heard: list[Verdict] = []
    checks = HostChecks(Seat(), heard.append)
    async with server() as target:
        target.reply = b""
        checks.use({"up": upstream(target.url, path="/")})
        await until(lambda: bool(heard))
        checks.use({})
        heard.clear()
        checks.use({"up": upstream(target.url, path="/", unhealthy=9)})
        await until(lambda: bool(heard))
        assert not heard[0].healthy
        await checks.stop()
