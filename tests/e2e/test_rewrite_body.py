"""JSON bodies rewritten on the wire, in both directions."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import DEADLINE, Client, Message, answer, request
from tests.e2e.scripted_upstream import OK, ScriptedUpstream, UpstreamConnection, ending, replying
from tests.e2e.site import Site

HOST = "here.test"
JSON = "Content-Type: application/json"
SENT = {"name": "ann", "admin": True, "items": [{"id": 1}, {"id": 2}]}
ARRIVES = {"full_name": "ann", "items": [{"id": 1}, {"id": 2}], "from": "127.0.0.1"}
SAID = {"id": 1, "secret": "x", "items": [{"n": 1, "secret": 2}]}
COMES = {"id": 1, "items": [{"count": 1}], "by": "gateway"}
PLUGIN = """
from aiohttp import web
from gateway import Plugin

class Echo(Plugin):
    def routes(self):
        pages = {"parts": self.parts, "wrong": self.wrong, "file": self.file}
        return [web.post("/echo", self.echo), *(web.get(f"/{n}", at) for n, at in pages.items())]

    async def echo(self, request):
        return web.json_response({"got": await request.json(), "secret": 1})

    async def parts(self, request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for part in (b'{"secret":1', b',"id":', b"7}"):
            await response.write(part)
        return response

    async def wrong(self, request):
        return web.Response(text="{", content_type="application/json")

    async def file(self, request):
        return web.FileResponse(__file__, headers={"Content-Type": "application/json"})
"""


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    (site := new_site).folder.joinpath("echo.py").write_text(PLUGIN)
    site.plugins["echo"] = {"use": "./echo.py"}
    site.middlewares |= {
        "edit": {
            "use": "rewrite_body",
            "request": {
                "remove": ["admin"],
                "rename": {"name": "full_name"},
                "add": {"from": "${ip}"},
            },
            "response": {
                "remove": ["secret", "items.*.secret"],
                "rename": {"items.*.n": "count"},
                "add": {"by": "gateway"},
            },
            "max": "200KiB",
        },
        "more": {"use": "rewrite_body", "response": {"add": {"more": 1}}},
        "small": {"use": "compress"},
        "closed": {"use": "maintenance"},
        "limit": {"use": "body_limit", "max": "1KiB"},
    }
    site.pools(32)
    for upstream in site.upstreams.values():
        upstream["retries"] = {"attempts": 2}
    site.pool("both")
    for route in site.routes:
        route["middlewares"] = ["edit"]
    site.routes[-1]["middlewares"] = ["small", "more", "edit"]
    refused = {"middlewares": ["edit", "closed"], "respond": {}}
    site.route("refused", "/refused", hosts=[HOST], **refused)
    limited = {"middlewares": ["limit", "edit"], "respond": {"body": "in"}}
    site.route("limited", "/limited", hosts=[HOST], **limited)
    site.route(
        "brief",
        "/brief",
        hosts=[HOST],
        middlewares=["edit"],
        respond={"body": "in"},
        timeout={"idle": "300ms", "request": "300ms"},
    )
    echo = {"plugin": "echo", "strip_prefix": "/plugin", "middlewares": ["small", "edit"]}
    site.route("plugin", "/plugin/**", hosts=[HOST], **echo)
    return site.start()


def post(target: str, host: str, body: bytes, *lines: str) -> bytes:
    return request("POST", target, host, JSON, *lines, body=body)


def chunked(data: bytes, size: int = 7) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def in_chunks(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\n{JSON}\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + chunked(body)[:-2] + b"X-T: 1\r\n\r\n"


def whole(message: Message) -> object:
    assert message.complete
    assert message.value("Transfer-Encoding") is None
    assert message.value("Trailer") is None
    return message.json()


BODY = json.dumps(SENT).encode()


def test_a_request_arrives_rewritten_with_its_new_length(
    client: Client, upstream: ScriptedUpstream
) -> None:
    for _ in range(2):
        client.send(post("/", upstream.host, BODY, "Content-Digest: sha-256=:x:"))
        assert client.answer().body == b"ok"
    seen = upstream.requests[-1]
    assert seen.json() == ARRIVES
    assert seen.value("Content-Digest") is None
    assert seen.value("Content-Length") == b"%d" % len(seen.body)


def test_chunks_go_in_and_a_length_comes_out(client: Client, upstream: ScriptedUpstream) -> None:
    lines = [JSON, "Transfer-Encoding: chunked", "Trailer: X-T"]
    body = chunked(BODY)[:-2] + b"X-T: 1\r\n\r\n"
    client.send(request("POST", "/", upstream.host, *lines) + body)
    assert client.answer().body == b"ok"
    seen = upstream.requests[0]
    assert (seen.json(), seen.trailers) == (ARRIVES, [])
    assert seen.value("Trailer") is None


def test_a_body_that_comes_byte_by_byte_is_waited_for(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send_slowly(post("/", upstream.host, BODY))
    assert client.answer().body == b"ok"
    assert upstream.requests[0].json() == ARRIVES


def test_requests_sent_ahead_stay_apart(client: Client, upstream: ScriptedUpstream) -> None:
    lines = [JSON, "Transfer-Encoding: chunked"]
    pieces = request("POST", "/2", upstream.host, *lines) + chunked(BODY)
    client.send(post("/1", upstream.host, BODY) + pieces + post("/3", upstream.host, BODY))
    assert [client.answer().body for _ in range(3)] == [b"ok"] * 3
    assert [seen.json() for seen in upstream.requests] == [ARRIVES] * 3


def test_a_large_body_is_rewritten(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(post("/", upstream.host, json.dumps({**SENT, "x": "y" * 190_000}).encode()))
    assert client.answer().body == b"ok"
    assert upstream.requests[0].json() == {**ARRIVES, "x": "y" * 190_000}


def test_who_asks_to_continue_is_told_so_once(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(post("/", upstream.host, BODY, "Expect: 100-continue")[: -len(BODY)])
    assert client.answer().status == 100
    client.send(BODY)
    assert client.answer().body == b"ok"
    assert upstream.requests[0].json() == ARRIVES


@pytest.mark.parametrize(
    ("body", "lines", "status"),
    [
        (b'{"a":', [JSON], 400),
        (b"x" * 205_000, [JSON], 413),
        (b"{}", [JSON, "Content-Encoding: gzip"], 415),
    ],
)
def test_what_cannot_be_rewritten_never_reaches_the_upstream(
    client: Client, upstream: ScriptedUpstream, body: bytes, lines: list[str], status: int
) -> None:
    client.send(request("POST", "/", upstream.host, *lines, body=body))
    assert_problem(client.answer(), status)
    assert upstream.requests == []


def test_chunks_that_are_too_many_or_broken_are_refused(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    head = request("POST", "/", upstream.host, JSON, "Transfer-Encoding: chunked")
    for body, status in ((chunked(b"x" * 205_000, 9000), 413), (b"z\r\n", 400)):
        client = connect()
        client.send(head + body)
        assert_problem(client.answer(), status)
    assert upstream.requests == []


def test_the_route_s_own_limit_holds(client: Client) -> None:
    lines = [JSON, "Transfer-Encoding: chunked"]
    client.send(request("POST", "/limited", HOST, *lines) + chunked(b"x" * 1100, 900))
    assert_problem(client.answer(), 413)


def test_other_types_and_no_body_pass_as_they_are(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, "Content-Type: text/plain", body=BODY))
    assert client.answer().body == b"ok"
    assert client.get("/", upstream.host, JSON).body == b"ok"
    empty = request("POST", "/", upstream.host, JSON, "Transfer-Encoding: chunked")
    client.send(empty + b"0\r\n\r\n")
    assert client.answer().body == b"ok"
    assert [seen.body for seen in upstream.requests] == [BODY, b"", b""]


def test_after_a_refusal_further_down_the_connection_goes_on(client: Client) -> None:
    for _ in range(2):
        client.send(post("/refused", HOST, BODY))
        assert_problem(client.answer(), 503)


def test_a_body_that_does_not_come_is_408(client: Client) -> None:
    client.send(post("/brief", HOST, BODY)[:-5])
    assert_problem(client.answer(), 408)


def test_a_client_that_leaves_amid_its_body_is_forgotten(
    site: Site, connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    for leave in (Client.reset, Client.half_close):
        client = connect()
        client.send(post("/", upstream.host, BODY)[:-5])
        leave(client)
    eventually(lambda: site.gateway.metric("gateway_requests_in_flight") == 0, "the end of both")
    assert upstream.requests == []


def test_a_retry_sends_the_rewritten_body_again(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        if connection.number == 0:
            connection.reset()
        else:
            connection.send(OK)

    upstream.script = script
    client.send(request("PUT", "/", upstream.host, JSON, body=BODY))
    assert client.answer().body == b"ok"
    assert [seen.json() for seen in upstream.requests] == [ARRIVES] * 2


def test_an_answer_comes_rewritten_with_its_new_length(
    client: Client, upstream: ScriptedUpstream
) -> None:
    said = json.dumps(SAID).encode()
    upstream.script = replying(answer(said, JSON, 'ETag: "a"'), in_chunks(said))
    for _ in range(3):
        message = client.get("/", upstream.host, "Accept-Encoding: gzip", "Range: bytes=0-1")
        assert whole(message) == COMES
    seen = upstream.requests[0]
    assert (seen.value("Accept-Encoding"), seen.value("Range")) == (None, None)


def test_an_answer_that_ends_with_its_connection_is_rewritten(
    client: Client, upstream: ScriptedUpstream
) -> None:
    head = f"HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n".encode()
    upstream.script = ending(head + json.dumps(SAID).encode(), UpstreamConnection.half_close)
    assert whole(client.get("/", upstream.host)) == COMES
    old = request("GET", "/", upstream.host).replace(b"HTTP/1.1", b"HTTP/1.0")
    client.send(old)
    assert whole(client.answer()) == COMES


def test_an_answer_with_an_etag_has_a_weak_one(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(answer(b"{}", JSON, 'ETag: "a"', "Digest: x"))
    message = client.get("/", upstream.host)
    assert message.value("ETag") == b'W/"a"'
    assert message.value("Digest") is None


def test_a_304_confirms_the_weak_tag(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    assert client.get("/", upstream.host, 'If-None-Match: W/"a"').value("ETag") == b'W/"a"'
    assert client.get("/", upstream.host, 'If-None-Match: "a"').value("ETag") == b'"a"'


def test_answers_of_other_types_stream_as_they_are(
    client: Client, upstream: ScriptedUpstream
) -> None:
    plain = answer(b"x" * 300_000, "Content-Type: text/plain")
    upstream.script = replying(
        plain, in_chunks(b"y" * 999).replace(b"application/json", b"text/plain")
    )
    assert client.get("/", upstream.host).body == b"x" * 300_000
    assert client.get("/", upstream.host).body == b"y" * 999


@pytest.mark.parametrize(
    "said",
    [
        answer(b"{", JSON),
        answer(b'"' + b"x" * 300_000 + b'"', JSON),
        in_chunks(b'"' + b"x" * 300_000 + b'"'),
        answer(zlib.compress(b"{}", wbits=31), JSON, "Content-Encoding: gzip"),
        answer(b"{", JSON, "Content-Range: bytes 0-0/2", status="206 Partial Content"),
    ],
    ids=["no json", "too long", "too long in chunks", "coded", "a part"],
)
def test_an_answer_that_cannot_be_rewritten_is_502(
    site: Site, client: Client, upstream: ScriptedUpstream, said: bytes
) -> None:
    upstream.script = replying(said)
    assert_problem(client.get("/", upstream.host), 502)
    eventually(lambda: "cannot be rewritten: " in site.gateway.log(), "the reason in the log")
    assert client.get("/limited", HOST).body == b"in"


def test_an_answer_that_breaks_off_is_an_error_and_never_half_a_document(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = ending(answer(b'{"id": 1}', JSON)[:-1], UpstreamConnection.reset)
    client.send(post("/", upstream.host, BODY))
    assert_problem(client.answer(), 502)


def test_an_answer_that_breaks_off_is_asked_for_again(
    client: Client, upstream: ScriptedUpstream
) -> None:
    said = answer(json.dumps(SAID).encode(), JSON)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(said[:-3] if connection.number == 0 else said)
        if connection.number == 0:
            connection.reset()

    upstream.script = script
    assert whole(client.get("/", upstream.host)) == COMES


def test_answers_without_a_body_pass(client: Client, upstream: ScriptedUpstream) -> None:
    long = f"{JSON}\r\nContent-Length: 50"
    said = ["200 OK\r\n" + long, "304 Not Modified\r\n" + long, f"204 No Content\r\n{JSON}"]
    said.append(f"200 OK\r\n{JSON}\r\nContent-Length: 0")
    upstream.script = replying(*(f"HTTP/1.1 {each}\r\n\r\n".encode() for each in said))
    for number, method in enumerate(["HEAD", "GET", "GET", "GET"]):
        client.send(request(method, "/", upstream.host))
        message = client.answer(method)
        assert message.body == b""
        assert message.value("Content-Length") == (b"0" if number == 3 else None)


def test_it_is_rewritten_in_turn_and_then_compressed(site: Site, client: Client) -> None:
    upstream = site.scripted["both"]
    many = {**SAID, "text": "word " * 1000}
    upstream.script = replying(answer(json.dumps(many).encode(), JSON))
    message = client.get("/", upstream.host, "Accept-Encoding: gzip")
    assert message.value("Content-Encoding") == b"gzip"
    document = json.loads(zlib.decompress(message.body, 31))
    assert document == {**COMES, "text": "word " * 1000, "more": 1}


def test_a_client_that_leaves_while_the_answer_is_collected_ends_it(
    client: Client, upstream: ScriptedUpstream
) -> None:
    ended = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(b"[" + b" " * 5000 + b"]", JSON)[:-9])
        connection.wait_closed()
        ended.set()

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    client.reset()
    assert ended.wait(DEADLINE)


def test_a_plugin_gets_and_gives_rewritten_bodies(site: Site, client: Client) -> None:
    lines = [JSON, "Transfer-Encoding: chunked"]
    for _ in range(2):
        client.send(post("/plugin/echo", HOST, BODY))
        client.send(request("POST", "/plugin/echo", HOST, *lines) + chunked(BODY))
        for _ in range(2):
            assert client.answer().json() == {"got": ARRIVES, "by": "gateway"}
    assert client.get("/plugin/parts", HOST).json() == {"id": 7, "by": "gateway"}
    coded = client.get("/plugin/parts", HOST, "Accept-Encoding: gzip")
    assert json.loads(zlib.decompress(coded.body, 31)) == {"id": 7, "by": "gateway"}
    with site.gateway.expecting_a_traceback():
        for page in ("wrong", "file"):
            assert client.get(f"/plugin/{page}", HOST).status == 500
            client = site.connect()
        eventually(lambda: site.gateway.log().count("BodyRefused: ") >= 2, "the traces")
