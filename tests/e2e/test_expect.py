"""Expect: 100-continue, and answers that come before the body has."""

from __future__ import annotations

import pytest

from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, answer, request
from tests.e2e.scripted_upstream import OK, ScriptedUpstream, UpstreamConnection, replying
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(20)
    new_site.middlewares["nobody"] = {"use": "ip_filter", "deny": ["127.0.0.0/8"]}
    new_site.pool("guarded", route={"middlewares": ["nobody"]})
    new_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return new_site.start()


def expecting(upstream: ScriptedUpstream, size: int, version: str = "1.1") -> bytes:
    return (
        f"POST / HTTP/{version}\r\nHost: {upstream.host}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def test_expect_is_answered_by_the_gateway_and_not_forwarded(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(expecting(upstream, 5))
    assert client.answer().status == 100
    client.send(b"hello")
    assert client.answer().status == 200
    assert upstream.requests[0].body == b"hello"
    assert upstream.requests[0].values("Expect") == []


def test_expect_with_a_chunked_body_is_answered_once(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    client.send(
        request("POST", "/", upstream.host, "Expect: 100-Continue", "Transfer-Encoding: chunked")
    )
    assert client.answer().status == 100
    client.send(b"5\r\nhello\r\n0\r\n\r\n")
    assert client.answer().status == 200
    assert client.get("/pong", "any.test").status == 200


def test_expect_from_a_client_that_does_not_wait_gets_its_answer(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(expecting(upstream, 5) + b"hello")
    seen = client.answer()
    assert (client.answer() if seen.status == 100 else seen).status == 200
    assert client.get("/", upstream.host).status == 200


def test_a_request_refused_by_a_guard_gets_no_100(client: Client, site: Site) -> None:
    upstream = site.scripted["guarded"]
    client.send(expecting(upstream, 5))
    assert_problem(client.answer(), 403)


@pytest.mark.parametrize(("host", "status"), [("nobody.test", 404), ("pool0.test", 413)])
def test_expect_gets_no_100_when_the_answer_is_known(
    client: Client, host: str, status: int
) -> None:
    client.send(request("POST", "/", host, "Expect: 100-continue", "Content-Length: 99999999"))
    assert_problem(client.answer(), status)


def test_expect_in_http_1_0_is_ignored(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(expecting(upstream, 5, "1.0") + b"hello")
    assert client.answer().status == 200


@pytest.mark.parametrize("status", ["413 Content Too Large", "200 OK"])
def test_an_early_answer_reaches_a_client_that_still_uploads(
    client: Client, upstream: ScriptedUpstream, status: str
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request_head()
        connection.send(answer(b"enough", "Connection: close", status=status))
        connection.wait_closed()

    upstream.script = script
    client.send(request("POST", "/", upstream.host, "Content-Length: 1000000") + b"x" * 1000)
    seen = client.answer()
    assert seen.status == int(status[:3])
    assert seen.body == b"enough"


def test_after_an_early_answer_the_rest_of_the_body_is_no_request(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request_head()
        connection.send(answer(b"enough"))
        connection.wait_closed()

    upstream.script = script
    smuggled = request("GET", "/smuggled", upstream.host)
    client.send(request("POST", "/", upstream.host, f"Content-Length: {len(smuggled) + 5}"))
    assert client.answer().body == b"enough"
    try:
        client.send(b"12345" + smuggled)
        assert client.wait_closed().count(b"HTTP/1.1") == 0
    except OSError:
        pass
    assert all(seen.target != b"/smuggled" for seen in upstream.heads)
