"""The plugin of plugin.yaml: one handler that answers a small JSON document."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from gateway import NoOptions, Plugin


class Endpoint(Plugin[NoOptions]):
    Options = NoOptions

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/items/{id}", self.item)]

    async def item(self, request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["id"], "name": "a small thing"})
