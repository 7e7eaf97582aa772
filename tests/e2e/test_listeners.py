"""Where clients come in and where requests go: TCP, IPv6, unix sockets, the PROXY protocol."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.gateway_process import eventually, free_port
from tests.e2e.problems import assert_refused
from tests.e2e.rawhttp import Client, Closed, request
from tests.e2e.scripted_upstream import ScriptedUpstream, listening
from tests.e2e.site import Site

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.fixture(scope="module")
def port6() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site(new_site: Site, port6: int) -> Site:
    site = new_site
    site.server["trusted_proxies"] = ["127.0.0.1/32"]
    site.defaults["timeout"] |= {"headers": "1s", "idle": "60s"}
    site.pools(40)
    site.more_listeners.append(f"unix:{site.folder}/in.sock")
    path = f"{site.folder}/out.sock"
    site.pool("unix", server=ScriptedUpstream(listening(path)), url=f"unix:{path}")
    if has_ipv6():
        site.more_listeners.append(f"[::1]:{port6}")
        server = ScriptedUpstream(listening(("::1", 0)))
        site.pool("six", server=server, url=f"http://[::1]:{server.listener.getsockname()[1]}")
    return site.start()


def test_a_unix_socket_is_an_upstream(client: Client, site: Site) -> None:
    upstream = site.scripted["unix"]
    upstream.start()
    for _ in range(2):
        assert client.get("/a", upstream.host).body == b"ok"
    assert upstream.requests[0].value("Host") == b"unix.test"
    assert len(upstream.connections) == 1


def test_a_unix_socket_is_listened_on(site: Site, upstream: ScriptedUpstream) -> None:
    client = site.dial(f"{site.folder}/in.sock")
    for _ in range(2):
        assert client.get("/", upstream.host).body == b"ok"


def test_a_stale_unix_socket_of_an_earlier_run_is_no_obstacle(own_site: Site) -> None:
    path = f"{own_site.folder}/in.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    own_site.more_listeners.append(f"unix:{path}")
    own_site.route("pong", respond={"status": 200, "body": "pong"})
    own_site.start()
    assert own_site.dial(path).get("/", "a.test").body == b"pong"
    own_site.gateway.stop()
    assert not Path(path).exists()


@needs_ipv6
def test_ipv6_is_listened_on_and_forwarded_to(site: Site, port6: int) -> None:
    upstream = site.scripted["six"]
    upstream.start()
    client = site.dial(("::1", port6))
    assert client.get("/", upstream.host).body == b"ok"
    assert upstream.requests[0].value("X-Forwarded-For") == b"::1"


def proxied(upstream: ScriptedUpstream) -> bytes:
    return request("GET", "/", upstream.host)


def v2(family: int, addresses: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses)) + addresses


V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4711, 80)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "::1")
    + struct.pack("!HH", 4711, 80)
)

HEADERS = {
    "v1 TCP4": (b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n", b"203.0.113.7"),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", b"2001:db8::7"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", b"127.0.0.1"),
    "v2 TCP4": (v2(0x11, V4), b"203.0.113.7"),
    "v2 TCP6": (v2(0x21, V6), b"2001:db8::7"),
    "v2 with TLVs": (v2(0x11, V4 + b"\x04\0\x03abc"), b"203.0.113.7"),
    "v2 LOCAL": (v2(0, b"", command=0x20), b"127.0.0.1"),
}

BROKEN = {
    "v1 bad address": b"PROXY TCP4 203.0.113.777 127.0.0.1 4711 80\r\n",
    "v1 bad port": b"PROXY TCP4 203.0.113.7 127.0.0.1 99999 80\r\n",
    "v1 wrong family": b"PROXY TCP4 2001:db8::7 ::1 4711 80\r\n",
    "v1 too few words": b"PROXY TCP4 203.0.113.7\r\n",
    "v1 unknown word": b"PROXY UDP4 203.0.113.7 127.0.0.1 4711 80\r\n",
    "v1 too long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "v1 with LF": b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\n",
    "v2 wrong version": v2(0x11, V4, command=0x31),
    "v2 wrong command": v2(0x11, V4, command=0x2F),
    "v2 too short": v2(0x11, V4[:6]),
}


@pytest.mark.parametrize(("header", "ip"), HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
def test_the_proxy_protocol_names_the_client(
    client: Client, upstream: ScriptedUpstream, header: bytes, ip: bytes, slowly: bool
) -> None:
    (client.send_slowly if slowly else client.send)(header + proxied(upstream))
    assert client.answer().status == 200
    assert upstream.requests[0].value("X-Forwarded-For") == ip
    assert client.get("/", upstream.host).status == 200
    assert upstream.requests[1].value("X-Forwarded-For") == ip


def test_a_client_behind_the_proxy_protocol_is_not_trusted(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(
        HEADERS["v1 TCP4"][0]
        + request("GET", "/", upstream.host, "X-Forwarded-For: 198.51.100.1", "X-Request-ID: mine")
    )
    assert client.answer().status == 200
    assert upstream.requests[0].value("X-Forwarded-For") == b"203.0.113.7"
    assert upstream.requests[0].value("X-Request-ID") != b"mine"


@pytest.mark.parametrize("header", BROKEN.values(), ids=BROKEN)
def test_a_broken_proxy_header_is_refused(
    client: Client, upstream: ScriptedUpstream, header: bytes
) -> None:
    client.send(header + proxied(upstream))
    assert_refused(client, 400)
    assert upstream.received == b""


def test_a_proxy_header_on_a_later_request_is_refused(
    client: Client, upstream: ScriptedUpstream
) -> None:
    assert client.get("/", upstream.host).status == 200
    client.send(HEADERS["v1 TCP4"][0] + proxied(upstream))
    assert_refused(client, 400)


def test_half_a_proxy_header_is_let_go(client: Client) -> None:
    client.send(SIGNATURE)
    assert client.wait_closed().count(b"HTTP/1.1 ") <= 1


def test_connections_over_the_limit_are_not_served(own_site: Site) -> None:
    own_site.defaults["limits"] = {"connections": 5}
    own_site.route("pong", respond={"status": 200, "body": "pong"})
    own_site.start()
    eventually(lambda: works(own_site.connect), "the port probe's connection ending")
    own_site.close_clients()
    eventually(lambda: fill(own_site, 5), "five connections being served")
    assert not works(own_site.connect)
    own_site.close_clients()
    eventually(lambda: works(own_site.connect), "a connection after others ended")


def works(connect: Callable[[], Client]) -> bool:
    """Whether a new connection is answered 200 within a second."""
    client = connect()
    client.sock.settimeout(1)
    try:
        return client.get("/", "a.test").status == 200
    except (Closed, OSError):
        client.close()
        return False


def fill(site: Site, count: int) -> bool:
    if all(works(site.connect) for _ in range(count)):
        return True
    site.close_clients()
    return False
