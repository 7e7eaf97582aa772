"""TLS on both sides: certificates verified, names sent, the scheme passed on."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.gateway_process import accepts, eventually, free_port
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import DEADLINE, Client, Closed, answer, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, listening, replying
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {"tls": free_port(), "mutual": free_port()}


@pytest.fixture(scope="module")
def names() -> list[str | None]:
    """What upstreams were asked for by SNI."""
    return []


@pytest.fixture(scope="module")
def site(
    new_site: Site, authority: Authority, ports: dict[str, int], names: list[str | None]
) -> Site:
    site = new_site
    site.defaults["timeout"] |= {"headers": "1s", "idle": "60s"}
    ca = str(authority.ca)

    def https(name: str, tls: dict[str, Any] | None, context: ssl.SSLContext) -> None:
        context.sni_callback = lambda _socket, asked, _context: names.append(asked)
        server = ScriptedUpstream(listening(), tls=context)
        port = server.listener.getsockname()[1]
        options = {} if tls is None else {"tls": tls}
        site.pool(name, server=server, url=f"https://localhost:{port}", upstream=options)

    https("good", {"ca": ca, "server_name": "upstream.test"}, authority.serving("upstream.test"))
    https("large", {"ca": ca}, authority.serving("localhost"))
    https("local", {"ca": ca}, authority.serving("localhost"))
    https("misnamed", {"ca": ca}, authority.serving("other.test"))
    https("renamed", {"ca": ca, "server_name": "wrong.test"}, authority.serving("localhost"))
    https("expired", {"ca": ca}, authority.serving("localhost", expired=True))
    https("stranger", None, authority.serving("localhost"))
    plain = ScriptedUpstream(listening())
    port = plain.listener.getsockname()[1]
    plain.script = not_tls
    site.pool("plain", server=plain, url=f"https://localhost:{port}", upstream={"tls": {"ca": ca}})
    site.pools(10)

    mutual = authority.serving("localhost")
    mutual.load_verify_locations(authority.ca)
    mutual.verify_mode = ssl.CERT_REQUIRED
    own_cert, own_key = authority.issue("gateway.test")
    https("mutual", {"ca": ca, "cert": str(own_cert), "key": str(own_key)}, mutual)

    cert, key = authority.issue("gateway.test")
    tls = {"cert": str(cert), "key": str(key)}
    site.more_listeners += [
        {"address": f"127.0.0.1:{ports['tls']}", "tls": tls},
        {"address": f"127.0.0.1:{ports['mutual']}", "tls": tls | {"client_ca": ca}},
    ]
    return site.start()


def not_tls(connection: UpstreamConnection) -> None:
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.wait_closed()


@pytest.fixture
def secure(site: Site, authority: Authority, ports: dict[str, int]) -> Callable[..., Client]:
    def connect(port: str = "tls", context: ssl.SSLContext | None = None) -> Client:
        sock = socket.create_connection(("127.0.0.1", ports[port]), timeout=DEADLINE)
        context = context or authority.trusting()
        try:
            return site.adopt(Client(context.wrap_socket(sock, server_hostname="gateway.test")))
        except BaseException:
            sock.close()
            raise

    return connect


@pytest.mark.parametrize(("name", "asked"), [("good", "upstream.test"), ("local", "localhost")])
def test_an_https_upstream_is_verified_and_asked_by_name(
    client: Client, site: Site, names: list[str | None], name: str, asked: str
) -> None:
    upstream = site.scripted[name]
    upstream.start()
    names.clear()
    for _ in range(2):
        assert client.get("/", upstream.host).body == b"ok"
    assert names == [asked]
    assert upstream.requests[0].value("X-Forwarded-Proto") == b"http"
    assert upstream.requests[0].value("Host") == upstream.host.encode()


@pytest.mark.parametrize("name", ["misnamed", "renamed", "expired", "stranger", "plain"])
def test_an_https_upstream_that_cannot_be_verified_is_502_and_sees_no_request(
    client: Client, site: Site, name: str
) -> None:
    upstream = site.scripted[name]
    upstream.start()
    assert_problem(client.get("/secret", upstream.host), 502)
    assert b"secret" not in upstream.received


def test_an_https_upstream_is_shown_the_gateway_s_certificate(client: Client, site: Site) -> None:
    upstream = site.scripted["mutual"]
    upstream.start()
    assert client.get("/", upstream.host).body == b"ok"


def test_a_body_of_5_mib_passes_through_tls_on_both_sides(
    secure: Callable[..., Client], site: Site
) -> None:
    upstream = site.scripted["large"]
    body = bytes(range(256)) * 20480
    upstream.script = replying(answer(body, "Connection: close"))
    client = secure()
    for _ in range(2):
        assert client.get("/", upstream.host).body == body


def test_a_tls_listener_serves_and_passes_its_scheme_on(
    secure: Callable[..., Client], upstream: ScriptedUpstream
) -> None:
    client = secure()
    for _ in range(2):
        assert client.get("/", upstream.host).body == b"ok"
    assert upstream.requests[0].value("X-Forwarded-Proto") == b"https"


def test_a_client_without_a_certificate_is_not_served_where_one_is_asked_for(
    secure: Callable[..., Client], upstream: ScriptedUpstream
) -> None:
    with pytest.raises((OSError, Closed)):
        secure("mutual").get("/", upstream.host)
    assert upstream.received == b""


def test_a_client_with_a_certificate_is(
    secure: Callable[..., Client], authority: Authority, upstream: ScriptedUpstream
) -> None:
    context = authority.trusting()
    context.load_cert_chain(*authority.issue("client.test"))
    assert secure("mutual", context).get("/", upstream.host).body == b"ok"


def test_plain_http_to_a_tls_listener_is_closed(site: Site, ports: dict[str, int]) -> None:
    client = site.dial(("127.0.0.1", ports["tls"]))
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert b" 200 " not in client.wait_closed()


def test_a_handshake_that_never_comes_is_let_go(site: Site, ports: dict[str, int]) -> None:
    site.dial(("127.0.0.1", ports["tls"])).wait_closed()


def test_a_ca_that_is_not_there_stops_the_start(own_site: Site, tmp_path: Path) -> None:
    own_site.pool("good", upstream={"tls": {"ca": str(tmp_path / "none.pem")}})
    with pytest.raises(AssertionError, match=r"tls\.ca[\s\S]*no such file"):
        own_site.start()
    own_site.forget_gateway()


def test_a_download_over_tls_arrives_whole_while_the_gateway_drains(
    own_site: Site, authority: Authority
) -> None:
    cert, key = authority.issue("gateway.test")
    port = free_port()
    tls = {"cert": str(cert), "key": str(key)}
    own_site.more_listeners.append({"address": f"127.0.0.1:{port}", "tls": tls})
    upstream = own_site.pool("users")
    body = bytes(range(256)) * 40_000
    upstream.script = replying(answer(body))
    own_site.start()
    sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    secured = authority.trusting().wrap_socket(sock, server_hostname="gateway.test")
    client = own_site.adopt(Client(secured))
    client.send(request("GET", "/", upstream.host))
    assert client.read_head().status == 200
    own_site.gateway.signal(signal.SIGTERM)
    eventually(lambda: not accepts(own_site.gateway.port), "the drain")
    assert client.read_exactly(len(body)) == body
    client.wait_closed()
    client.close()
    assert own_site.gateway.wait() == 0
