"""A plugin that asks the auth plugin, in process, who may do what to its documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from gateway import NoOptions, Plugin


class Shelf(Plugin[NoOptions]):
    """`PUT /NAME` and `GET /NAME`, for those who may.

    A role with `shelf/**:write` may write; `PUT /NAME/readers/ACCOUNT` lets one account read one.
    """

    async def start(self) -> None:
        self.auth: Any = self.context.plugin("auth")
        self.documents: dict[str, bytes] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/{name}", self.read),
            web.put("/{name}", self.write),
            web.put("/{name}/readers/{account}", self.share),
        ]

    async def read(self, request: web.Request) -> web.Response:
        name = await self.checked(request, "read")
        if name not in self.documents:
            raise web.HTTPNotFound
        return web.Response(body=self.documents[name])

    async def write(self, request: web.Request) -> web.Response:
        name = await self.checked(request, "write")
        self.documents[name] = await request.read()
        return web.Response(status=204)

    async def share(self, request: web.Request) -> web.Response:
        name = await self.checked(request, "write")
        reader = request.match_info["account"]
        await self.auth.grants.give("principal", reader, f"shelf/{name}:read")
        return web.Response(status=204)

    async def checked(self, request: web.Request, action: str) -> str:
        """The document's name. Denied unless a role, a scope or a grant says yes."""
        name = request.match_info["name"]
        if not await self.auth.allowed(request["exchange"].identity, action, f"shelf/{name}"):
            raise web.HTTPForbidden
        return name
