"""What is too large, too slow or not there is refused with its own status."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.gateway_process import free_port
from tests.e2e.problems import assert_problem, assert_refused
from tests.e2e.rawhttp import DEADLINE, Client, Closed, answer, request
from tests.e2e.scripted_upstream import OK, ScriptedUpstream, UpstreamConnection
from tests.e2e.site import Site

KIB = 1024


@pytest.fixture(scope="module")
def blackhole() -> Iterator[int]:
    """A port that neither accepts nor refuses: its backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(8):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
        waiting.append(sock)
    yield listener.getsockname()[1]
    for sock in [listener, *waiting]:
        sock.close()


@pytest.fixture(scope="module")
def site(new_site: Site, blackhole: int) -> Site:
    site = new_site
    site.defaults["limits"] = {"body": "64KiB", "headers": "16KiB"}
    site.defaults["timeout"] |= {"connect": "300ms", "request": "5s"}
    site.pools(20)
    site.pool("slow", route={"timeout": {"request": "300ms"}})
    site.pool("narrow", upstream={"max_connections": 1})
    site.upstream("dead", f"http://127.0.0.1:{free_port()}")
    site.route("dead", hosts=["dead.test"], upstream="dead")
    site.upstream("blackhole", f"http://127.0.0.1:{blackhole}")
    site.route("blackhole", hosts=["blackhole.test"], upstream="blackhole")
    site.route("read", "/read", hosts=["methods.test"], methods=["GET", "HEAD"], upstream="slow")
    site.route("write", "/read", hosts=["methods.test"], methods=["PUT"], upstream="slow")
    return site.start()


def test_a_header_section_over_the_limit_is_431(client: Client, upstream: ScriptedUpstream) -> None:
    lines = [f"X-{number}: {'a' * 200}" for number in range(90)]
    client.send(request("GET", "/", upstream.host, *lines))
    assert_refused(client, 431)
    assert upstream.received == b""


def test_a_header_section_under_the_limit_is_not(
    client: Client, upstream: ScriptedUpstream
) -> None:
    lines = [f"X-{number}: {'a' * 200}" for number in range(70)]
    client.send(request("GET", "/", upstream.host, *lines))
    assert client.answer().status == 200
    assert set(lines) <= {line.decode() for line in upstream.requests[0].lines}


def test_one_header_line_over_the_limit_is_431(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("GET", "/", upstream.host, "X-A: " + "a" * 20 * KIB))
    assert_refused(client, 431)
    assert upstream.received == b""


def test_one_header_line_of_15_kib_is_under_the_limit(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("GET", "/", upstream.host, "Cookie: " + "a" * 15 * KIB))
    assert client.answer().status == 200
    assert upstream.requests[0].value("Cookie") == b"a" * 15 * KIB


def test_a_header_that_never_ends_is_431_before_it_ends(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: pool0.test\r\nX-A: " + b"a" * 40 * KIB)
    assert_refused(client, 431)


def test_too_many_headers_are_431(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("GET", "/", upstream.host, *["a:b"] * 1000))
    assert_refused(client, 431)
    assert upstream.received == b""


def test_a_target_over_the_limit_is_414(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("GET", "/" + "a" * 20 * KIB, upstream.host))
    assert_refused(client, 414)
    assert upstream.received == b""


def test_a_target_that_never_ends_is_414(client: Client) -> None:
    client.send(b"GET /" + b"a" * 40 * KIB)
    assert_refused(client, 414)


def test_a_body_announced_over_the_limit_is_413_at_once(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, f"Content-Length: {64 * KIB + 1}"))
    assert_refused(client, 413)
    assert upstream.received == b""


def test_a_body_at_the_limit_passes(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("POST", "/", upstream.host, body=b"a" * 64 * KIB))
    assert client.answer().status == 200
    assert len(upstream.requests[0].body) == 64 * KIB


def test_a_chunked_body_is_413_when_it_passes_the_limit(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, "Transfer-Encoding: chunked"))
    for _ in range(17):
        client.send(b"1000\r\n" + b"a" * 4096 + b"\r\n")
    assert_problem(client.answer(), 413)
    client.wait_closed()
    assert upstream.requests == []


def test_one_huge_chunk_is_413_before_it_was_sent(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, "Transfer-Encoding: chunked"))
    client.send(b"7fffffff\r\n" + b"a" * 65 * KIB)
    assert_problem(client.answer(), 413)
    client.wait_closed()
    assert upstream.requests == []


def test_an_unknown_host_is_404(client: Client) -> None:
    assert_problem(client.get("/", "nobody.test"), 404)
    assert_problem(client.get("/", "nobody.test"), 404)


def test_an_unknown_path_is_404(client: Client) -> None:
    assert_problem(client.get("/other", "methods.test"), 404)


def test_a_404_for_a_request_with_a_body_keeps_the_connection_in_step(client: Client) -> None:
    client.send(request("POST", "/", "nobody.test", body=b"GET / HTTP/1.1\r\n\r\n"))
    assert_problem(client.answer(), 404)
    try:
        client.send(request("GET", "/", "nobody.test"))
        assert_problem(client.answer(), 404)
    except (Closed, OSError):
        pass


def test_another_method_is_405_with_all_that_are_allowed(client: Client) -> None:
    client.send(request("DELETE", "/read", "methods.test"))
    refused = client.answer()
    assert_problem(refused, 405)
    allowed = {method.strip() for method in (refused.value("Allow") or b"").split(b",")}
    assert allowed == {b"GET", b"HEAD", b"PUT"}


def test_a_dead_upstream_is_502(client: Client) -> None:
    assert_problem(client.get("/", "dead.test"), 502)
    assert_problem(client.get("/", "dead.test"), 502)


def test_a_dead_upstream_is_502_for_an_upload_too(client: Client) -> None:
    client.send(request("POST", "/", "dead.test", body=b"a" * 60 * KIB))
    assert_problem(client.answer(), 502)


def test_an_upstream_that_never_accepts_is_given_up(client: Client) -> None:
    refused = client.get("/", "blackhole.test")
    assert refused.status in (502, 504)
    assert_problem(refused, refused.status)


def silent(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.wait_closed()


def test_an_upstream_slower_than_the_route_allows_is_504_and_let_go(
    client: Client, site: Site
) -> None:
    upstream = site.scripted["slow"]
    upstream.script = silent
    assert_problem(client.get("/", upstream.host), 504)
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_after_a_504_the_client_s_connection_goes_on(client: Client, site: Site) -> None:
    upstream = site.scripted["slow"]
    upstream.script = silent
    assert_problem(client.get("/", upstream.host), 504)
    assert_problem(client.get("/", "nobody.test"), 404)


def test_a_late_answer_to_a_request_given_up_reaches_nobody(client: Client, site: Site) -> None:
    upstream = site.scripted["slow"]
    gone = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while True:
            seen = connection.read_request()
            if seen.target == b"/late":
                assert gone.wait(DEADLINE)
                connection.send(answer(b"late"))
            connection.send(answer(b"fresh"))

    upstream.script = script
    assert_problem(client.get("/late", upstream.host), 504)
    gone.set()
    assert client.get("/fresh", upstream.host).body == b"fresh"


def test_a_full_pool_is_503_with_retry_after(connect: Callable[[], Client], site: Site) -> None:
    upstream = site.scripted["narrow"]
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            assert go.wait(DEADLINE)
            connection.send(OK)

    upstream.script = script
    first, second = connect(), connect()
    first.send(request("GET", "/first", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    refused = second.get("/second", upstream.host)
    assert_problem(refused, 503)
    assert int(refused.value("Retry-After") or b"") >= 0
    go.set()
    assert first.answer().status == 200
    assert second.get("/third", upstream.host).status == 200
    assert len(upstream.connections) == 1
