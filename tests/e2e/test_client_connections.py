"""One client connection: kept, pipelined, half closed, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.e2e.rawhttp import DEADLINE, Client, answer, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, ending, replying
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(30)
    new_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    (new_site.folder / "who.py").write_text(
        "from aiohttp import web\n"
        "from gateway.plugin import Plugin\n"
        "class Who(Plugin):\n"
        "    def routes(self):\n"
        "        return [web.get('/who', self.who), web.post('/who', self.echo)]\n"
        "    async def who(self, request):\n"
        "        return web.Response(text=request.query.get('n', ''))\n"
        "    async def echo(self, request):\n"
        "        return web.Response(body=await request.read())\n"
    )
    new_site.plugins["who"] = {"use": "./who.py:Who"}
    new_site.route("who", "/who", plugin="who")
    return new_site.start()


def test_an_http_1_0_client_is_not_kept(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n\r\n".encode())
    assert client.answer().status == 200
    client.sees_the_end()
    assert upstream.requests[0].start == b"GET / HTTP/1.1"
    assert (upstream.requests[0].value("Via") or b"").startswith(b"1.0 ")


def test_an_http_1_0_client_is_kept_when_it_asks(
    client: Client, upstream: ScriptedUpstream
) -> None:
    asked = f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\nConnection: Keep-Alive\r\n\r\n".encode()
    for _ in range(2):
        client.send(asked)
        seen = client.answer()
        assert (seen.value("Connection") or b"").lower() == b"keep-alive"
        assert seen.body == b"ok"


def test_an_http_1_0_request_needs_no_host(client: Client) -> None:
    client.send(b"GET /pong HTTP/1.0\r\n\r\n")
    assert client.answer().body == b"pong"
    client.sees_the_end()


def test_connection_close_is_obeyed(client: Client, upstream: ScriptedUpstream) -> None:
    seen = client.get("/", upstream.host, "Connection: close")
    assert (seen.value("Connection") or b"").lower() == b"close"
    assert seen.body == b"ok"
    client.sees_the_end()
    assert upstream.requests[0].values("Connection") == []


def test_nothing_after_connection_close_is_read(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(
        request("GET", "/1", upstream.host, "Connection: close")
        + request("GET", "/2", upstream.host)
    )
    assert client.answer().status == 200
    client.sees_the_end()
    assert [seen.target for seen in upstream.requests] == [b"/1"]


def test_pipelined_requests_are_answered_in_order(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        while True:
            connection.send(answer(connection.read_request().target))

    upstream.script = script
    asked, expected = b"", []
    for number in range(20):
        kind = number % 4
        if kind == 0:
            asked += request("GET", "/pong", "any.test")
            expected.append(b"pong")
        elif kind == 1:
            asked += request("GET", f"/who?n={number}", "any.test")
            expected.append(str(number).encode())
        elif kind == 2:
            asked += request("GET", f"/{number}", upstream.host)
            expected.append(f"/{number}".encode())
        else:
            asked += request("POST", f"/{number}", upstream.host, body=b"GET / HTTP/1.1\r\n")
            expected.append(f"/{number}".encode())
    client.send(asked)
    assert [client.answer().body for _ in expected] == expected


def test_a_quick_answer_waits_for_a_slow_one_before_it(
    client: Client, upstream: ScriptedUpstream
) -> None:
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        assert go.wait(DEADLINE)
        connection.send(answer(b"slow"))

    upstream.script = script
    client.send(request("GET", "/", upstream.host) + request("GET", "/pong", "any.test"))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    assert client.received == b""
    go.set()
    assert client.answer().body == b"slow"
    assert client.answer().body == b"pong"


def test_a_request_follows_a_body(client: Client, upstream: ScriptedUpstream) -> None:
    for path in ("/who", "/pong"):
        client.send(request("POST", path, "any.test", body=b"GET / HTTP/1.1\r\n\r\n"))
        client.answer()
    client.send(request("POST", "/", upstream.host, body=b"x" * 100_000))
    assert client.answer().status == 200
    assert client.get("/pong", "any.test").body == b"pong"


def test_half_a_request_behind_a_whole_one_waits_for_the_rest(
    client: Client, upstream: ScriptedUpstream
) -> None:
    second = request("POST", "/2", upstream.host, body=b"hello")
    client.send(request("GET", "/1", upstream.host) + second[:30])
    assert client.answer().status == 200
    client.send(second[30:])
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"hello"


def test_a_half_closed_client_gets_its_answer(client: Client, upstream: ScriptedUpstream) -> None:
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        assert go.wait(DEADLINE)
        connection.send(answer(b"after all"))
        connection.wait_closed()

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    client.half_close()
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    go.set()
    assert client.answer().body == b"after all"
    client.sees_the_end()


def test_a_half_closed_client_gets_the_answers_to_all_it_asked(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(
        request("GET", "/1", upstream.host)
        + request("GET", "/pong", "any.test")
        + request("GET", "/who?n=3", "any.test")
        + request("POST", "/4", upstream.host, body=b"x" * 1000)
    )
    client.half_close()
    assert [client.answer().body for _ in range(4)] == [b"ok", b"pong", b"3", b"ok"]
    client.sees_the_end()


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_whole_upload_and_a_fin_at_once_are_answered(
    connect: Callable[[], Client], upstream: ScriptedUpstream, framing: str
) -> None:
    """Also when there is no connection to the upstream yet."""
    upstream.script = replying(answer(b"ok", "Connection: close"))
    body = b"hello" if framing.startswith("C") else b"5\r\nhello\r\n0\r\n\r\n"
    for _ in range(20):
        client = connect()
        client.send(request("POST", "/", upstream.host, framing) + body)
        client.half_close()
        assert client.answer().status == 200
        client.sees_the_end()
        assert upstream.requests[-1].body == b"hello"


def test_a_large_upload_and_a_fin_are_answered(client: Client, upstream: ScriptedUpstream) -> None:
    body = bytes(range(256)) * 20_000
    client.send(request("POST", "/", upstream.host, body=body))
    client.half_close()
    assert client.answer().status == 200
    assert upstream.requests[0].body == body


def test_a_half_closed_client_gets_a_streamed_answer_whole(
    client: Client, upstream: ScriptedUpstream
) -> None:
    body = b"0123456789abcdef" * 65536
    upstream.script = replying(answer(body))
    client.send(request("GET", "/", upstream.host))
    client.half_close()
    assert client.answer().body == body


def test_a_client_that_resets_cancels_the_upstream_s_request(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = ending(b"", UpstreamConnection.wait_closed)
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    client.reset()
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_a_client_that_resets_its_upload_cancels_it_upstream(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, "Content-Length: 1000000") + b"x" * 1000)
    upstream.wait_for(lambda: len(upstream.heads) == 1)
    client.reset()
    assert upstream.connections[0].ended.wait(DEADLINE)
    assert upstream.requests == []


@pytest.mark.parametrize("reset", [True, False], ids=["resets", "closes"])
def test_a_client_gone_while_the_answer_streams_cancels_it(
    client: Client, upstream: ScriptedUpstream, reset: bool
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    client.read_head()
    client.reset() if reset else client.close()
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_a_client_gone_between_two_events_of_a_stream_cancels_it(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.wait_closed()

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    client.read_head()
    client.close()
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_clients_come_and_go_without_a_trace(
    connect: Callable[[], Client], site: Site, upstream: ScriptedUpstream
) -> None:
    for end in (Client.close, Client.reset, Client.half_close) * 5:
        for start in (b"", b"GET / HT", request("POST", "/", upstream.host, "Content-Length: 9")):
            client = connect()
            client.send(start)
            end(client)
    assert connect().get("/pong", "any.test").status == 200
