"""DEMO ONLY: the plugin behind `make run`."""

from __future__ import annotations

import asyncio
import html
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from string import Template

import aiohttp
import msgspec
from aiohttp import web

from gateway import Context, Plugin

from .tokens import LIFETIME, Issuer
from .upstream import application

PATIENCE = 30.0
HOME = Path(__file__).with_name("landing.html")
CARD = """
  ait-gateway listens on $url (Ctrl-C drains and stops)

  a page to click on     $url/
  a fixed answer         curl $url/ping
  through to an upstream curl "$url/api/hello?x=1"
  events, not buffered   curl -N $url/api/sse
  WebSocket, in browser  $url/api/
  guarded: 401           curl -i $url/private/hello
  ... with a token: 200  curl -H "Authorization: Bearer $$(curl -s $url/demo/token.txt)" \\
                              $url/private/hello
  metrics, health        curl $admin/metrics    curl $admin/readyz
  reload the table       edit config/gateway.yaml, then  curl -X POST $admin/reload
"""


class DemoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url`: where people reach the gateway. `upstream`: host:port the demo upstream takes."""

    url: str = "http://localhost:4003"
    admin: str = "http://127.0.0.1:9901"
    upstream: str = "127.0.0.1:4010"


class Demo(Plugin[DemoOptions]):
    """Never use it in production: it signs a token for anybody who asks."""

    Options = DemoOptions

    def __init__(self, options: DemoOptions, context: Context) -> None:
        super().__init__(options, context)
        self._issuer = Issuer(f"{options.url}/demo")
        self._upstream: web.AppRunner | None = None
        self._card: asyncio.Task[None] | None = None

    async def start(self) -> None:
        host, _, port = self.options.upstream.rpartition(":")
        self._upstream = web.AppRunner(application(), access_log=None, shutdown_timeout=1)
        await self._upstream.setup()
        # The next one starts before this one stops when the gateway reloads.
        await web.TCPSite(self._upstream, host, int(port), reuse_port=True).start()
        self._card = asyncio.create_task(self._show_card())

    async def stop(self) -> None:
        if self._card is not None:
            self._card.cancel()
        if self._upstream is not None:
            await self._upstream.cleanup()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/", self.home),
            web.get("/token", self.token),
            web.post("/token", self.token),
            web.get("/token.txt", self.bare_token),
            web.get("/jwks.json", self.jwks),
        ]

    def offers(self) -> Issuer:
        return self._issuer

    async def home(self, _: web.Request) -> web.Response:
        addresses = {"url": self.options.url, "admin": self.options.admin}
        text = Template(HOME.read_text()).substitute(
            {name: html.escape(address) for name, address in addresses.items()}
        )
        return web.Response(text=text, content_type="text/html")

    async def token(self, request: web.Request) -> web.Response:
        token = {
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "access_token": self._sign(request),
        }
        return web.json_response(token, headers={"Cache-Control": "no-store"})

    async def bare_token(self, request: web.Request) -> web.Response:
        return web.Response(text=self._sign(request), headers={"Cache-Control": "no-store"})

    async def jwks(self, _: web.Request) -> web.Response:
        return web.json_response(await self._issuer.jwks())

    def _sign(self, request: web.Request) -> str:
        query = request.query
        return self._issuer.token(query.get("sub", "alice")[:64], query.get("scope", "read")[:64])

    async def _show_card(self) -> None:
        """Once the gateway answers with this plugin, so that every command on it works."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._reachable()
        except TimeoutError:
            url = self.options.url
            self.context.log.warning("this gateway is not reached at %s: is the url right?", url)
            return
        sys.stderr.write(Template(CARD).substitute(msgspec.structs.asdict(self.options)))
        sys.stderr.flush()

    async def _reachable(self) -> None:
        ours = await self._issuer.jwks()
        async with aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError, ValueError):
                    async with session.get(f"{self.options.url}/demo/jwks.json") as answer:
                        if await answer.json() == ours:
                            return
                await asyncio.sleep(0.1)
