"""A plugin to copy: options, a start and a stop, two routes, an API for others, a check."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping

import msgspec
from aiohttp import web

from gateway import Plugin
from gateway.config.units import Size
from gateway.plugin import HealthCheck


class StatusOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`disk` is not ready with less than `min_free` bytes left."""

    service: str
    disk: str = "/"
    min_free: Size = 0


class Board:
    """What other plugins get from `context.plugin("status")`."""

    def __init__(self) -> None:
        self.notices: dict[str, str] = {}

    def post(self, topic: str, notice: str) -> None:
        self.notices[topic] = notice


class Status(Plugin[StatusOptions]):
    """Says how the service is, and who is asking."""

    Options = StatusOptions
    started = 0.0

    async def start(self) -> None:
        self.board = Board()
        self.started = time.monotonic()
        self.context.log.info("%s is up", self.options.service)

    async def stop(self) -> None:
        self.context.log.info("%s goes down", self.options.service)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/", self.status), web.get("/me", self.me)]

    def offers(self) -> Board:
        return self.board

    def checks(self) -> Mapping[str, HealthCheck]:
        return {"disk": self.disk_has_room}

    async def disk_has_room(self) -> None:
        free = shutil.disk_usage(self.options.disk).free
        if free < self.options.min_free:
            raise RuntimeError(f"{free} bytes free on {self.options.disk}")

    async def status(self, _: web.Request) -> web.Response:
        up = round(time.monotonic() - self.started)
        status = {"service": self.options.service, "up_seconds": up}
        return web.json_response({**status, "notices": self.board.notices})

    async def me(self, request: web.Request) -> web.Response:
        identity = request["exchange"].identity
        return web.json_response({"subject": identity.subject if identity else None})
