"""Compressed answers on the wire: framing, flow, ends."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.rawhttp import DEADLINE, Client, Message, answer, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, ending, replying
from tests.e2e.site import Site

HOST = "here.test"
GZIP = "Accept-Encoding: gzip"
TEXT = b"".join(b"line %d of many\n" % number for number in range(3000))
LONG = 32
MIB = 1 << 20
NOISE = random.Random(7).randbytes(MIB)
PLUGIN = """
from aiohttp import web
from gateway import Plugin


class Pages(Plugin):
    def routes(self):
        return [
            web.get("/whole", self.whole), web.get("/large", self.large),
            web.get("/parts", self.parts), web.get("/sized", self.sized),
            web.get("/file", self.file), web.get("/coded", self.coded),
        ]

    async def whole(self, request):
        return web.Response(text="word " * 1000)

    async def large(self, request):
        return web.Response(text="word " * 100_000)

    async def parts(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(b"data: %d\\n\\n" % number)
        return response

    async def sized(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.content_length = 5000
        await response.prepare(request)
        await response.write(b"x" * 5000)
        return response

    async def file(self, request):
        return web.FileResponse(__file__, headers={"Content-Type": "text/plain"})

    async def coded(self, request):
        response = web.Response(text="word " * 1000)
        response.enable_compression(web.ContentCoding.gzip)
        return response
"""


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    site = new_site
    (site.folder / "pages.py").write_text(PLUGIN)
    site.plugins["pages"] = {"use": "./pages.py"}
    site.middlewares["small"] = {"use": "compress"}
    site.pools(24)
    body = {"status": 200, "body": TEXT.decode(), "headers": {"Content-Type": "text/plain"}}
    site.route("local", "/local", hosts=[HOST], respond=body)
    pages = {"plugin": "pages", "strip_prefix": "/pages"}
    site.route("pages", "/pages/**", hosts=[HOST], **pages)
    for route in site.routes:
        route["middlewares"] = ["small"]
    return site.start()


def plain(message: Message) -> bytes:
    assert message.value("Content-Encoding") == b"gzip"
    assert b"Accept-Encoding" in message.values("Vary")
    stream = zlib.decompressobj(31)
    data = stream.decompress(message.body)
    assert stream.eof
    return data


def text(body: bytes = TEXT, *lines: str) -> bytes:
    return answer(body, "Content-Type: text/plain", 'ETag: "a"', *lines)


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def until_close(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body


def test_a_small_answer_keeps_an_exact_length(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(text(TEXT[:2000]))
    for _ in range(3):
        message = client.get("/", upstream.host, GZIP)
        assert plain(message) == TEXT[:2000]
        assert message.value("Content-Length") == b"%d" % len(message.body)
        assert message.value("ETag") == b'W/"a"'
    assert upstream.requests[0].value("Accept-Encoding") == b"gzip"
    assert len(upstream.connections) == 1


@pytest.mark.parametrize("coding", ["zstd", "br"])
def test_the_best_coding_is_taken(client: Client, upstream: ScriptedUpstream, coding: str) -> None:
    pytest.importorskip({"zstd": "zstandard", "br": "brotli"}[coding])
    upstream.script = replying(text())
    message = client.get("/", upstream.host, f"Accept-Encoding: gzip, {coding}")
    assert message.value("Content-Encoding") == coding.encode()
    assert len(message.body) < len(TEXT) / 2


def test_who_does_not_ask_gets_every_byte_as_it_was(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(text(), chunked(TEXT, b"!"), text())
    for expected in (TEXT, TEXT + b"!", TEXT):
        message = client.get("/", upstream.host)
        assert message.body == expected
        assert message.value("Content-Encoding") is None


def test_what_came_compressed_is_not_compressed_again(
    client: Client, upstream: ScriptedUpstream
) -> None:
    body = zlib.compress(TEXT, wbits=31)
    upstream.script = replying(text(body, "Content-Encoding: gzip"))
    assert client.get("/", upstream.host, GZIP).body == body


def test_every_framing_comes_out_whole(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    large = TEXT * 20

    def script(connection: UpstreamConnection) -> None:
        target = connection.read_request().target
        if target == b"/length":
            connection.send(text(large))
        elif target == b"/chunked":
            connection.send(chunked(large[:70_000], large[70_000:70_001], large[70_001:]))
        else:
            connection.send(until_close(large))

    upstream.script = script
    for target in ("/length", "/chunked", "/close"):
        client = connect()
        message = client.get(target, upstream.host, GZIP)
        assert message.complete
        assert plain(message) == large
        assert message.value("Content-Length") is None
        assert client.get("/local", HOST).body == TEXT
    for target in ("/length", "/chunked", "/close"):
        old = connect()
        old.send(request("GET", target, upstream.host, GZIP).replace(b"HTTP/1.1", b"HTTP/1.0"))
        message = old.answer()
        assert plain(message) == large
        assert message.value("Transfer-Encoding") is None
        old.sees_the_end()


def test_what_is_not_to_be_compressed_keeps_its_framing(
    client: Client, upstream: ScriptedUpstream
) -> None:
    image = chunked(NOISE[:5000], NOISE[:300_000]).replace(b"text/plain", b"image/png ")
    upstream.script = replying(image, answer(NOISE, "Content-Type: image/png"))
    first = client.get("/", upstream.host, GZIP)
    assert (first.complete, first.body) == (True, NOISE[:5000] + NOISE[:300_000])
    second = client.get("/", upstream.host, GZIP)
    assert second.value("Content-Length") == b"%d" % MIB
    assert second.body == NOISE


def test_answers_without_a_body_have_none(client: Client, upstream: ScriptedUpstream) -> None:
    head = 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nETag: "a"\r\n%s\r\n'
    answers = [
        head % ("200 OK", "Content-Length: 5000\r\n"),
        head % ("200 OK", "Transfer-Encoding: chunked\r\n"),
        head % ("304 Not Modified", "Content-Length: 5000\r\n"),
        head % ("204 No Content", ""),
        head % ("200 OK", "Content-Length: 0\r\n"),
    ]
    upstream.script = replying(*(each.encode() for each in answers))
    for number, method in enumerate(["HEAD", "HEAD", "GET", "GET", "GET"]):
        client.send(request(method, "/", upstream.host, GZIP))
        message = client.answer(method)
        assert message.body == b""
        assert message.value("Content-Encoding") is None
        assert message.value("ETag") == b'"a"'
        assert (message.value("Content-Length") == b"5000") is (number in (0, 2))


def test_requests_sent_ahead_are_answered_in_order(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(text(TEXT * 8), chunked(TEXT), text())
    client.send(request("GET", "/", upstream.host, GZIP) * 3)
    for expected in (TEXT * 8, TEXT, TEXT):
        assert plain(client.answer()) == expected


def test_an_event_arrives_before_the_next_one_is_there(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = threading.Semaphore(0)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        head = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(b"HTTP/1.1 200 OK\r\n" + head)
        for number in range(5):
            assert seen.acquire(timeout=DEADLINE)
            connection.send(b"9\r\ndata: %d\n\n\r\n" % number)
        connection.send(b"0\r\n\r\n")

    upstream.script = script
    client.send(request("GET", "/", upstream.host, GZIP))
    assert client.read_head().value("Content-Encoding") == b"gzip"
    stream = zlib.decompressobj(31)
    for number in range(5):
        seen.release()
        size = int(client.read_line(), 16)
        assert stream.decompress(client.read_exactly(size)) == b"data: %d\n\n" % number
        client.read_line()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_that_breaks_off_is_broken_for_the_client(
    connect: Callable[[], Client], upstream: ScriptedUpstream, framing: str
) -> None:
    whole = text(TEXT * 20) if framing == "length" else chunked(TEXT * 20)
    upstream.script = ending(whole[:-9], UpstreamConnection.reset)
    message = connect().get("/", upstream.host, GZIP)
    assert not message.complete
    stream = zlib.decompressobj(31)
    stream.decompress(message.body)
    assert not stream.eof


def test_a_client_that_reads_slowly_is_waited_for_in_bounded_memory(
    site: Site, client: Client, upstream: ScriptedUpstream
) -> None:
    """Noise does not shrink, so that what is not read has to wait somewhere."""
    sent = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
        connection.send(b"Content-Length: %d\r\n\r\n" % (LONG * MIB))
        for _ in range(LONG):
            connection.send(NOISE)
        sent.set()

    client.get("/local", HOST, GZIP)
    site.gateway.forget_peak_memory()
    before = site.gateway.memory()
    upstream.script = script
    client.keep = False
    client.send(request("GET", "/", upstream.host, GZIP))
    client.read_head()
    assert not sent.wait(1.0)
    stream, crc = zlib.decompressobj(31), 0
    while size := int(client.read_line(), 16):
        crc = zlib.crc32(stream.decompress(client.read_exactly(size)), crc)
        client.read_line()
    assert stream.eof
    expected = 0
    for _ in range(LONG):
        expected = zlib.crc32(NOISE, expected)
    assert crc == expected
    assert site.gateway.memory("VmHWM") - before < LONG // 2 * MIB


def test_a_client_that_vanishes_ends_the_upstream_s_answer(
    client: Client, upstream: ScriptedUpstream
) -> None:
    ended = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        try:
            while True:
                connection.send(NOISE)
        finally:
            ended.set()

    upstream.script = script
    client.send(request("GET", "/", upstream.host, GZIP))
    client.read_head()
    client.reset()
    assert ended.wait(DEADLINE)


def test_the_gateway_s_own_answers_are_compressed(client: Client) -> None:
    message = client.get("/local", HOST, GZIP)
    assert plain(message) == TEXT
    assert message.value("Content-Length") == b"%d" % len(message.body)
    client.send(request("HEAD", "/local", HOST, GZIP))
    assert client.answer("HEAD").value("Content-Length") == b"%d" % len(TEXT)
    assert client.get("/missing", HOST, GZIP).json()["status"] == 404


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("whole", b"word " * 1000),
        ("large", b"word " * 100_000),
        ("parts", b"data: 0\n\ndata: 1\n\ndata: 2\n\n"),
        ("sized", b"x" * 5000),
        ("coded", b"word " * 1000),
    ],
)
def test_a_plugin_s_answers_are_compressed_once(client: Client, page: str, body: bytes) -> None:
    for _ in range(2):
        message = client.get(f"/pages/{page}", HOST, GZIP)
        assert message.complete
        assert zlib.decompress(message.body, 31) == body
        assert message.values("Content-Encoding") == [b"gzip"]
    plainly = client.get(f"/pages/{page}", HOST)
    if page != "coded":
        assert plainly.body == body


def test_a_plugin_s_file_and_head_are_left_alone(client: Client) -> None:
    assert client.get("/pages/file", HOST, GZIP).body == PLUGIN.encode()
    client.send(request("HEAD", "/pages/whole", HOST, GZIP))
    assert client.answer("HEAD").value("Content-Encoding") is None
    assert client.get("/local", HOST).status == 200


def test_an_old_client_gets_a_plugin_s_whole_answers_compressed(
    connect: Callable[[], Client],
) -> None:
    for page, coded in (("whole", True), ("parts", False)):
        old = connect()
        ask = request("GET", f"/pages/{page}", HOST, GZIP)
        old.send(ask.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (old.answer().value("Content-Encoding") == b"gzip") is coded


def test_the_upstream_s_connection_is_kept(
    site: Site, client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(chunked(TEXT * 30))
    for _ in range(5):
        assert plain(client.get("/", upstream.host, GZIP)) == TEXT * 30
    assert len(upstream.connections) == 1
    eventually(lambda: site.gateway.metric("gateway_requests_in_flight") == 0, "rest")
