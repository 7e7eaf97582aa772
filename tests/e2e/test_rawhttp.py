"""The instruments themselves: the raw client against the scripted upstream and a real nginx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nginx_process import Nginx
from tests.e2e.rawhttp import DEADLINE, Closed, answer, dial, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    in_turn,
    listening,
    replying,
)


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(listening())
    yield server
    server.close()


def test_it_sends_and_records_exact_bytes(server: ScriptedUpstream) -> None:
    server.script = replying(OK, answer(b"second", "X-A: b"))
    client = dial(server.listener.getsockname())
    sent = request("POST", "/a%2f", "x", "x-y:  z ", body=b"hello")
    client.send(sent)
    assert client.answer().body == b"ok"
    client.send(sent)
    seen = client.answer()
    assert seen.lines == [b"X-A: b", b"Content-Length: 6"]
    assert server.received == sent * 2
    assert [message.body for message in server.requests] == [b"hello"] * 2
    client.close()


def test_it_knows_chunks_trailers_and_broken_bodies(server: ScriptedUpstream) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    server.script = in_turn(
        replying(chunked + b"0\r\nX-A: b\r\n\r\n"),
        ending(chunked + b"a\r\nhalf", UpstreamConnection.close),
    )
    client = dial(server.listener.getsockname())
    client.send(request("GET", "/", "x"))
    seen = client.answer()
    assert (seen.body, seen.trailers, seen.complete) == (b"hello", [b"X-A: b"], True)
    client.close()
    client = dial(server.listener.getsockname())
    client.send(request("GET", "/", "x"))
    assert not client.answer().complete
    client.close()


def test_it_tells_a_reset_from_an_end(server: ScriptedUpstream) -> None:
    server.script = in_turn(
        ending(b"", UpstreamConnection.reset), ending(b"", UpstreamConnection.close)
    )
    for reset in (True, False):
        client = dial(server.listener.getsockname())
        client.send(request("GET", "/", "x"))
        with pytest.raises(Closed) as closed:
            client.answer()
        assert closed.value.reset is reset
        assert server.connections[-1].ended.wait(DEADLINE)
        client.close()


def test_an_assertion_in_a_script_fails_the_test() -> None:
    def script(connection: UpstreamConnection) -> None:
        assert connection.read_request().target == b"/other"

    server = ScriptedUpstream(listening())
    server.script = script
    client = dial(server.listener.getsockname())
    client.send(request("GET", "/", "x"))
    client.wait_closed()
    client.close()
    with pytest.raises(AssertionError):
        server.close()


def test_nginx_serves_a_file_and_keeps_the_connection(tmp_path: Path) -> None:
    with Nginx(tmp_path) as nginx:
        client = dial(("127.0.0.1", nginx.port))
        for _ in range(2):
            client.send(request("GET", "/small.json", "x"))
            assert client.answer().body == nginx.small
        client.close()
