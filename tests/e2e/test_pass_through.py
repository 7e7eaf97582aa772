"""What passes through is left alone, both ways; nothing is added but what the design names."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.e2e.rawhttp import Client, Message, answer, request
from tests.e2e.scripted_upstream import ScriptedUpstream, replying
from tests.e2e.site import Site

ADDED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id", b"via"}


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(90)
    return new_site.start()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same, and the peer is a trusted proxy."""
    site = Site(tmp_path_factory.mktemp("trusting"))
    site.server["trusted_proxies"] = ["127.0.0.1/32"]
    site.pools(12)
    yield site.start()
    site.gateway.assert_well()
    site.close()


@pytest.fixture
def trusted(trusting: Site) -> ScriptedUpstream:
    upstream = trusting.fresh()
    upstream.start()
    return upstream


def passed(client: Client, upstream: ScriptedUpstream, *lines: str, target: str = "/") -> Message:
    """The request as the upstream saw it."""
    assert client.get(target, upstream.host, *lines).status == 200
    return upstream.requests[-1]


def own_fields(seen: Message) -> list[bytes]:
    return [line for line in seen.lines if line.partition(b":")[0].lower() not in ADDED]


def forwarded(seen: Message, name: str) -> list[bytes]:
    """The members of a list field, over all its lines."""
    return [part.strip() for value in seen.values(name) for part in value.split(b",")]


@pytest.mark.parametrize(
    "target",
    [
        "/a%2fb",
        "/a%2Fb",
        "/%41",
        "/a;b=c",
        "/a?",
        "/?",
        "/a//b",
        "//a",
        "/a/",
        "/a?b=%20+c&d=%2B&&=",
        "/a?b?c",
        "/a?u=http://x/../y",
        "/a%20b",
        "/~a!$&'()*+,;=:@b",
        "/a%C3%A4",
        "/...",
        "/a.b..c",
        "/a|b^{c}",
    ],
)
def test_the_target_s_bytes_are_left_alone(
    client: Client, upstream: ScriptedUpstream, target: str
) -> None:
    assert passed(client, upstream, target=target).target == target.encode()


def test_request_headers_keep_case_order_and_duplicates(
    client: Client, upstream: ScriptedUpstream
) -> None:
    lines = [
        "x-lower: 1",
        "X-UPPER: 2",
        "X-Twice: a",
        "accept: text/html",
        "X-Twice: b",
        "Cookie: a=1; b=2",
        "Cookie: c=3",
        "X-Empty:",
        "x-twice: c",
        "X-Latin: \xe4\xf6",
        'If-None-Match: W/"x", "y"',
    ]
    seen = passed(client, upstream, *lines)
    expected = [f"Host: {upstream.host}", *lines]
    assert [line.rstrip(b" ") for line in own_fields(seen)] == [
        line.encode("latin-1") for line in expected
    ]


def test_nothing_but_the_named_is_added_to_a_request(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = passed(client, upstream)
    assert own_fields(seen) == [f"Host: {upstream.host}".encode()]
    assert {name.lower() for name, _ in seen.fields} == ADDED | {b"host"}


def test_host_is_passed_on_unchanged(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(f"GET / HTTP/1.1\r\nhOsT: {upstream.host.upper()}:8080\r\n\r\n".encode())
    assert client.answer().status == 200
    seen = upstream.requests[-1]
    assert seen.value("Host") == f"{upstream.host.upper()}:8080".encode()
    assert seen.value("X-Forwarded-Host") == f"{upstream.host.upper()}:8080".encode()


def test_absolute_form_with_the_same_host_becomes_origin_form(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("GET", f"http://{upstream.host}/a%2Fb?c", upstream.host))
    assert client.answer().status == 200
    assert upstream.requests[-1].target == b"/a%2Fb?c"


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "DELETE", "PROPFIND", "REPORT", "PURGE"])
def test_any_method_passes(client: Client, upstream: ScriptedUpstream, method: str) -> None:
    client.send(request(method, "/", upstream.host))
    assert client.answer().status == 200
    assert upstream.requests[-1].start == f"{method} / HTTP/1.1".encode()


def test_a_get_without_a_body_has_no_framing_upstream(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = passed(client, upstream)
    assert seen.values("Content-Length") == []
    assert seen.values("Transfer-Encoding") == []


def test_content_length_0_is_passed_on(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("POST", "/", upstream.host, "Content-Length: 0"))
    assert client.answer().status == 200
    assert upstream.requests[-1].value("Content-Length") == b"0"


def test_a_get_with_a_body_is_passed_on(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("GET", "/", upstream.host, body=b"search"))
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"search"


def test_hop_by_hop_fields_of_a_request_are_dropped(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = passed(
        client,
        upstream,
        "Connection: keep-alive, X-Secret, x-other",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: gzip",
        "X-Secret: 1",
        "X-Other: 2",
        "X-Kept: 3",
    )
    assert own_fields(seen) == [f"Host: {upstream.host}".encode(), b"X-Kept: 3"]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding"])
def test_connection_cannot_drop_what_frames_or_routes_a_request(
    client: Client, upstream: ScriptedUpstream, name: str
) -> None:
    client.send(request("POST", "/", upstream.host, f"Connection: {name}", body=b"GET /x"))
    assert client.answer().status in (200, 400)
    for seen in upstream.requests:
        assert (seen.target, seen.body) == (b"/", b"GET /x")
        assert seen.value("Host") == upstream.host.encode()


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID", "Via"])
def test_connection_cannot_drop_what_the_gateway_sets(
    client: Client, upstream: ScriptedUpstream, name: str
) -> None:
    assert passed(client, upstream, f"Connection: {name}").values(name)


def test_x_forwarded_fields_of_a_stranger_are_replaced(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = passed(
        client,
        upstream,
        "X-Forwarded-For: 198.51.100.1",
        "x-forwarded-for: 198.51.100.2",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
    )
    assert seen.value("X-Forwarded-For") == b"127.0.0.1"
    assert seen.value("X-Forwarded-Proto") == b"http"
    assert seen.value("X-Forwarded-Host") == upstream.host.encode()


def test_x_forwarded_fields_of_a_trusted_proxy_are_extended(
    trusting: Site, trusted: ScriptedUpstream
) -> None:
    seen = passed(
        trusting.connect(),
        trusted,
        "X-Forwarded-For: 198.51.100.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: outer.test",
    )
    assert forwarded(seen, "X-Forwarded-For") == [b"198.51.100.1", b"127.0.0.1"]
    assert seen.value("X-Forwarded-Proto") == b"https"
    assert seen.value("X-Forwarded-Host") == b"outer.test"


def test_a_trusted_proxy_that_says_nothing_is_the_client(
    trusting: Site, trusted: ScriptedUpstream
) -> None:
    seen = passed(trusting.connect(), trusted)
    assert forwarded(seen, "X-Forwarded-For") == [b"127.0.0.1"]
    assert seen.value("X-Forwarded-Proto") == b"http"
    assert seen.value("X-Forwarded-Host") == trusted.host.encode()


def test_a_request_id_is_made_for_each_request(client: Client, upstream: ScriptedUpstream) -> None:
    made = [passed(client, upstream).value("X-Request-ID") for _ in range(3)]
    assert all(made)
    assert len(set(made)) == 3


def test_a_stranger_s_request_id_is_replaced(client: Client, upstream: ScriptedUpstream) -> None:
    seen = passed(client, upstream, "X-Request-ID: mine", "x-request-id: too")
    assert seen.value("X-Request-ID") not in (None, b"mine", b"too")


def test_a_trusted_proxy_s_request_id_is_kept(trusting: Site, trusted: ScriptedUpstream) -> None:
    seen = passed(trusting.connect(), trusted, "X-Request-ID: abc-123")
    assert seen.value("X-Request-ID") == b"abc-123"


def test_traceparent_is_passed_on(client: Client, upstream: ScriptedUpstream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen = passed(client, upstream, f"traceparent: {trace}", "tracestate: a=b")
    assert (seen.value("traceparent") or b"").startswith(b"00-0af7651916cd43dd8448eb211c80319c-")
    assert seen.value("tracestate") == b"a=b"


def test_via_names_the_version_received_and_extends_what_is_there(
    client: Client, upstream: ScriptedUpstream
) -> None:
    via = forwarded(passed(client, upstream, "Via: 1.0 outer"), "Via")
    assert via[0] == b"1.0 outer"
    assert via[1].startswith(b"1.1 ")
    assert len(via) == 2


def test_the_answer_keeps_its_lines(client: Client, upstream: ScriptedUpstream) -> None:
    lines = [
        "date: Mon, 01 Jan 2024 00:00:00 GMT",
        "SERVER: upstream/1",
        "Set-Cookie: a=1; Path=/",
        "content-type: text/x; charset=latin-1",
        "Set-Cookie: b=2; Expires=Mon, 01 Jan 2024 00:00:00 GMT",
        "X-Empty:",
        "x-lower: 1",
        "X-Latin: \xe4",
        'WWW-Authenticate: Basic realm="a", Digest realm="b"',
    ]
    upstream.script = replying(answer(b"ok", *lines))
    seen = client.get("/", upstream.host)
    kept = [line.rstrip(b" ") for line in seen.lines]
    expected = [line.encode("latin-1") for line in [*lines, "Content-Length: 2"]]
    assert [line for line in kept if line in expected] == expected
    added = {line.partition(b":")[0].lower() for line in kept if line not in expected}
    assert added <= {b"via", b"x-request-id"}


def test_an_answer_without_date_server_or_type_is_given_none(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = client.get("/", upstream.host)
    assert {name.lower() for name, _ in seen.fields} <= {b"content-length", b"via", b"x-request-id"}


def test_hop_by_hop_fields_of_an_answer_are_dropped(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(
        answer(
            b"ok",
            "Connection: keep-alive, X-Secret",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "X-Secret: 1",
            "X-Kept: 2",
        )
    )
    seen = client.get("/", upstream.host)
    names = {name.lower() for name, _ in seen.fields}
    assert names <= {b"x-kept", b"content-length", b"via", b"x-request-id"}
    assert b"x-kept" in names


def test_an_upstream_that_closes_does_not_close_the_client(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(answer(b"ok", "Connection: close"))
    assert client.get("/", upstream.host).values("Connection") == []
    assert client.get("/", upstream.host).status == 200


def test_a_compressed_body_is_left_alone(client: Client, upstream: ScriptedUpstream) -> None:
    body = gzip.compress(b"hello" * 100)
    upstream.script = replying(answer(body, "Content-Encoding: gzip"))
    seen = client.get("/", upstream.host, "Accept-Encoding: gzip")
    assert seen.value("Content-Encoding") == b"gzip"
    assert seen.value("Content-Length") == str(len(body)).encode()
    assert seen.body == body


def test_a_compressed_request_body_is_left_alone(
    client: Client, upstream: ScriptedUpstream
) -> None:
    body = gzip.compress(b"hello" * 100)
    client.send(request("POST", "/", upstream.host, "Content-Encoding: gzip", body=body))
    assert client.answer().status == 200
    assert upstream.requests[-1].body == body


@pytest.mark.parametrize("encoding", ["gzip", "br", "nonsense"])
def test_a_body_that_is_not_what_its_encoding_says_passes(
    client: Client, upstream: ScriptedUpstream, encoding: str
) -> None:
    client.send(request("POST", "/", upstream.host, f"Content-Encoding: {encoding}", body=b"\0x"))
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"\0x"


@pytest.mark.parametrize(
    "status",
    ["200 Everything's Fine!", "200 \xe4h", "299 Odd", "404 Nope", "418 I'm a teapot", "599 X"],
)
def test_status_and_reason_are_passed_on(
    client: Client, upstream: ScriptedUpstream, status: str
) -> None:
    upstream.script = replying(answer(b"ok", status=status))
    assert client.get("/", upstream.host).start == f"HTTP/1.1 {status}".encode("latin-1")


def test_an_empty_reason_is_passed_on(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
    seen = client.get("/", upstream.host)
    assert seen.start.rstrip() == b"HTTP/1.1 200"
    assert seen.body == b"ok"


def test_a_body_of_every_byte_passes_both_ways(client: Client, upstream: ScriptedUpstream) -> None:
    body = bytes(range(256)) * 64
    upstream.script = replying(answer(body))
    client.send(request("POST", "/", upstream.host, body=body))
    assert client.answer().body == body
    assert upstream.requests[-1].body == body
