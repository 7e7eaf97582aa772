"""WebSocket and any other upgrade: after 101 a tunnel of bytes, before it plain HTTP."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from tests.e2e.aiohttp_upstream import AiohttpUpstream
from tests.e2e.rawhttp import DEADLINE, Client, Closed, answer, dial, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, ending, replying
from tests.e2e.site import Site

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"


@pytest.fixture(scope="module")
def aiohttp_upstream() -> Iterator[AiohttpUpstream]:
    with AiohttpUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def site(new_site: Site, aiohttp_upstream: AiohttpUpstream) -> Site:
    new_site.pools(40)
    new_site.upstream("ws", aiohttp_upstream.url)
    new_site.route("ws", hosts=["ws.test"], upstream="ws")
    new_site.middlewares["nobody"] = {"use": "ip_filter", "deny": ["127.0.0.0/8"]}
    new_site.route("admin", "/admin", middlewares=["nobody"], upstream="pool0")
    new_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return new_site.start()


@pytest.fixture
def websocket(site: Site) -> Iterator[Callable[..., ClientConnection]]:
    with contextlib.ExitStack() as opened:

        def connect(path: str = "/echo", **options: Any) -> ClientConnection:
            sock = dial(site.gateway.address).sock
            opened.callback(sock.close)
            connection: ClientConnection = opened.enter_context(
                connect_websocket(
                    f"ws://ws.test{path}", sock=sock, proxy=None, max_size=None, **options
                )
            )
            return connection

        yield connect


def test_text_and_binary_messages_pass_both_ways(
    websocket: Callable[..., ClientConnection],
) -> None:
    connection = websocket()
    for message in ("hello", b"\0\xff", "", "é" * 1000):
        connection.send(message)
        assert connection.recv(DEADLINE) == message


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_message_of_1_mib_passes_both_ways(
    websocket: Callable[..., ClientConnection], compression: str | None
) -> None:
    connection = websocket(compression=compression)
    message = os.urandom(1 << 20)
    connection.send(message)
    assert connection.recv(DEADLINE) == message


def test_a_message_in_fragments_passes(websocket: Callable[..., ClientConnection]) -> None:
    connection = websocket()
    connection.send(["he", "ll", "o"])
    assert connection.recv(DEADLINE) == "hello"


def test_ping_is_answered_through_the_tunnel(websocket: Callable[..., ClientConnection]) -> None:
    assert websocket().ping(b"are you there").wait(DEADLINE)


def test_the_subprotocol_is_negotiated_end_to_end(
    websocket: Callable[..., ClientConnection],
) -> None:
    connection = websocket(subprotocols=[Subprotocol("other"), Subprotocol("superchat")])
    assert connection.subprotocol == "superchat"


def test_the_client_s_close_code_reaches_the_upstream(
    websocket: Callable[..., ClientConnection], aiohttp_upstream: AiohttpUpstream
) -> None:
    before = len(aiohttp_upstream.close_codes)
    websocket().close(4001, "going")
    assert aiohttp_upstream.closed.acquire(timeout=DEADLINE)
    assert aiohttp_upstream.close_codes[before:] == [4001]


def test_the_upstream_s_close_code_reaches_the_client(
    websocket: Callable[..., ClientConnection],
) -> None:
    connection = websocket()
    connection.send("close 4002")
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4002, "as you asked")


def test_a_refused_websocket_is_told_why(websocket: Callable[..., ClientConnection]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        websocket("/refused")
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"not you"


def upgrade(host: str, target: str = "/", *lines: str) -> bytes:
    return request("GET", target, host, "Connection: Upgrade", "Upgrade: foo", *lines)


def test_an_upgrade_is_asked_for_upstream(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = ending(SWITCHED, UpstreamConnection.wait_closed)
    client.send(upgrade(upstream.host, "/", "X-A: b"))
    switched = client.read_head()
    assert switched.status == 101
    assert switched.value("Upgrade") == b"foo"
    assert (switched.value("Connection") or b"").lower() == b"upgrade"
    seen = upstream.requests[0]
    assert seen.value("Upgrade") == b"foo"
    assert (seen.value("Connection") or b"").lower() == b"upgrade"
    assert seen.value("X-A") == b"b"


def tunnel(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.send(SWITCHED + b"first")
    connection.send(b"<" + connection.read_exactly(5) + b">")
    connection.wait_closed()


def test_bytes_in_the_segment_of_the_101_reach_the_client(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = tunnel
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    assert client.read_exactly(5) == b"first"
    client.send(b"hello")
    assert client.read_exactly(7) == b"<hello>"


def test_bytes_in_the_segment_of_the_request_reach_the_upstream_after_the_101(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = tunnel
    client.send(upgrade(upstream.host) + b"hello")
    assert client.read_head().status == 101
    assert client.read_exactly(12) == b"first<hello>"


def test_what_looks_like_http_in_a_tunnel_is_only_bytes(
    client: Client, upstream: ScriptedUpstream
) -> None:
    looks = request("GET", "/pong", "any.test") + b"\0\n\r\xff"

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(SWITCHED)
        connection.send(connection.read_exactly(len(looks)))
        connection.wait_closed()

    upstream.script = script
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    client.send(looks)
    assert client.read_exactly(len(looks)) == looks


def test_a_client_may_end_its_half_of_a_tunnel(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(SWITCHED)
        said = connection.read_to_end()
        connection.send(b"you said " + said)

    upstream.script = script
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    client.send(b"hello")
    client.half_close()
    assert client.read_to_end() == b"you said hello"


def test_an_upstream_may_end_its_half_of_a_tunnel(
    client: Client, upstream: ScriptedUpstream
) -> None:
    said: list[bytes] = []

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(SWITCHED + b"bye")
        connection.half_close()
        said.append(connection.read_to_end())

    upstream.script = script
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    assert client.read_to_end() == b"bye"
    client.send(b"one more thing")
    client.close()
    assert upstream.connections[0].ended.wait(DEADLINE)
    assert said == [b"one more thing"]


@pytest.mark.parametrize("end", [Client.close, Client.reset])
def test_a_client_gone_from_a_tunnel_ends_it_upstream(
    client: Client, upstream: ScriptedUpstream, end: Callable[[Client], None]
) -> None:
    upstream.script = ending(SWITCHED, UpstreamConnection.wait_closed)
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    end(client)
    assert upstream.connections[0].ended.wait(DEADLINE)


@pytest.mark.parametrize("end", [UpstreamConnection.close, UpstreamConnection.reset])
def test_an_upstream_gone_from_a_tunnel_ends_it_for_the_client(
    client: Client, upstream: ScriptedUpstream, end: Callable[[UpstreamConnection], None]
) -> None:
    upstream.script = ending(SWITCHED, end)
    client.send(upgrade(upstream.host))
    client.wait_closed()


def test_a_tunnel_s_connection_is_never_reused(
    client: Client, site: Site, upstream: ScriptedUpstream
) -> None:
    upstream.script = ending(SWITCHED, UpstreamConnection.wait_closed)
    client.send(upgrade(upstream.host))
    assert client.read_head().status == 101
    upstream.script = replying(answer(b"clean"))
    assert site.connect().get("/", upstream.host).body == b"clean"
    assert len(upstream.connections) == 2


def test_a_stalled_reader_of_a_tunnel_stops_the_writer(
    client: Client, site: Site, upstream: ScriptedUpstream
) -> None:
    stalled = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(SWITCHED)
        connection.sock.settimeout(1)
        try:
            for _ in range(200):
                connection.sock.sendall(bytes(1 << 20))
        except TimeoutError:
            stalled.set()

    upstream.script = script
    client.send(upgrade(upstream.host))
    assert stalled.wait(DEADLINE)
    assert site.gateway.memory() < 200 << 20


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "426 Upgrade Required"])
def test_a_refused_upgrade_is_a_plain_answer(
    client: Client, upstream: ScriptedUpstream, status: str
) -> None:
    upstream.script = replying(answer(b"no", status=status))
    client.send(upgrade(upstream.host))
    seen = client.answer()
    assert seen.status == int(status[:3])
    assert seen.body == b"no"


def test_after_a_refused_upgrade_bytes_are_requests_and_pass_their_guards(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(answer(b"no", status="200 OK"))
    client.send(upgrade(upstream.host) + request("GET", "/admin", "any.test"))
    assert client.answer().body == b"no"
    with contextlib.suppress(Closed):
        assert client.answer().status == 403
    assert b"/admin" not in upstream.received


@pytest.mark.parametrize("answered", ["403", "404"])
def test_an_upgrade_that_a_guard_refuses_never_reaches_the_upstream(
    client: Client, upstream: ScriptedUpstream, answered: str
) -> None:
    host, target = ("any.test", "/admin") if answered == "403" else ("no.test", "/none")
    client.send(upgrade(host, target))
    assert client.answer().status == int(answered)
    assert upstream.received == b""


def test_an_upgrade_of_a_fixed_answer_is_ignored(client: Client) -> None:
    client.send(upgrade("any.test", "/pong"))
    assert client.answer().body == b"pong"


def test_upgrade_without_connection_upgrade_is_dropped(
    client: Client, upstream: ScriptedUpstream
) -> None:
    assert client.get("/", upstream.host, "Upgrade: foo").status == 200
    assert upstream.requests[0].values("Upgrade") == []


def test_an_upgrade_in_http_1_0_is_ignored(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(
        f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n"
        "Connection: Upgrade\r\nUpgrade: foo\r\n\r\n".encode()
    )
    assert client.answer().status == 200
    assert upstream.requests[0].values("Upgrade") == []


def test_a_101_to_another_protocol_than_asked_opens_no_tunnel(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = ending(
        SWITCHED.replace(b"Upgrade: foo", b"Upgrade: bar"), UpstreamConnection.wait_closed
    )
    client.send(upgrade(upstream.host))
    assert client.answer().status == 502
