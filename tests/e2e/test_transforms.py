"""A middleware that somebody else wrote changes bodies, or fails to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.rawhttp import Client, answer
from tests.e2e.scripted_upstream import UpstreamConnection
from tests.e2e.site import Site

HOST = "here.test"
MIDDLEWARE = """
from gateway import Middleware


class Loud(Middleware):
    transforms_answer = True

    def response(self, exchange):
        exchange.transform = self

    def feed(self, data):
        if b"!" in data:
            raise RuntimeError("as the test wants")
        return data.upper()

    def end(self):
        return b""
"""
PLUGIN = """
from aiohttp import web
from gateway import Plugin


class Pages(Plugin):
    def routes(self):
        return [web.get("/whole", self.whole), web.get("/parts", self.parts)]

    async def whole(self, request):
        return web.Response(text="word " * 1000)

    async def parts(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(b"data: %d\\n\\n" % number)
        return response
"""


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    site = new_site
    (site.folder / "pages.py").write_text(PLUGIN)
    (site.folder / "loud.py").write_text(MIDDLEWARE)
    site.plugins["pages"] = {"use": "./pages.py"}
    site.middlewares["loud"] = {"use": "./loud.py"}
    site.pool("loud", route={"middlewares": ["loud"]})
    pages = {"plugin": "pages", "strip_prefix": "/loud"}
    site.route("pages", "/loud/**", hosts=[HOST], middlewares=["loud"], **pages)
    for word in ("a", "a!"):
        says = {"middlewares": ["loud"], "respond": {"body": word}}
        site.route(word.replace("!", "x"), f"/says/{word}", hosts=[HOST], **says)
    return site.start()


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def echoing(connection: UpstreamConnection) -> None:
    while True:
        target = connection.read_request().target
        long = target.startswith(b"/long")
        connection.send(chunked(b"abc" * 50_000, target) if long else answer(target))


def test_a_middleware_of_one_s_own_may_change_every_body(client: Client, site: Site) -> None:
    upstream = site.scripted["loud"]
    upstream.script = echoing
    assert client.get("/small", upstream.host).body == b"/SMALL"
    assert client.get("/long", upstream.host).body == b"ABC" * 50_000 + b"/LONG"
    assert client.get("/says/a", HOST).body == b"A"
    assert client.get("/loud/whole", HOST).body == b"WORD " * 1000
    assert client.get("/loud/parts", HOST).body == b"".join(b"DATA: %d\n\n" % n for n in range(3))


def test_one_that_fails_makes_a_500_or_a_broken_answer(
    connect: Callable[[], Client], site: Site
) -> None:
    upstream = site.scripted["loud"]
    upstream.script = echoing
    with site.gateway.expecting_a_traceback():
        assert connect().get("/!", upstream.host).status == 500
        assert not connect().get("/long!", upstream.host).complete
        assert connect().get("/says/a!", HOST).status == 500
        eventually(lambda: site.gateway.log().count("RuntimeError: as") >= 3, "the traces")
