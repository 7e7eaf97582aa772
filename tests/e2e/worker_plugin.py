"""A plugin that tells which worker it lives in, and what it hears from the others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable

import msgspec
from aiohttp import web

from gateway.plugin import Context, Plugin

TOPIC = "tests.words"


class CrewOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """While there is a file `trouble` beside the table, its word says how start() goes wrong.

    `nr` is there to be changed.
    """

    nr: int = 0


class Crew(Plugin[CrewOptions]):
    Options = CrewOptions

    def __init__(self, options: CrewOptions, context: Context) -> None:
        super().__init__(options, context)
        self.heard: list[str] = []
        self.leads = context.leadership.held
        self.cancels: list[Callable[[], None]] = []
        self.calls = context.metrics.counter("tests_calls_total", "Calls.", ["what"])

    async def start(self) -> None:
        trouble = self.context.folder / "trouble"
        word, _, only = trouble.read_text().partition(" ") if trouble.exists() else ("", "", "")
        if only and int(only) != self.context.worker:
            word = ""
        if word == "raise":
            raise RuntimeError("the moon is full")
        if word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "exit":
            os._exit(7)
        if word == "hang":
            self.note("hanging")
            await asyncio.Event().wait()
        self.cancels = [
            self.context.broadcast.subscribe(TOPIC, lambda word: self.heard.append(word.decode())),
            self.context.leadership.watch(self.turned),
        ]

    async def stop(self) -> None:
        for cancel in self.cancels:
            cancel()
        self.note("stopped")

    def note(self, file: str) -> None:
        with (self.context.folder / file).open("a") as notes:
            notes.write(f"{os.getpid()}\n")

    def turned(self, leads: bool) -> None:
        self.leads = leads

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/who", self.who),
            web.get("/say/{word}", self.say),
            web.get("/hold", self.hold),
        ]

    async def who(self, request: web.Request) -> web.Response:
        self.calls.labels("who").inc()
        return web.json_response(
            {
                "pid": os.getpid(),
                "worker": self.context.worker,
                "leads": self.leads,
                "heard": self.heard,
                "nr": self.options.nr,
                "version": VERSION,
            }
        )

    async def say(self, request: web.Request) -> web.Response:
        self.context.broadcast.publish(TOPIC, request.match_info["word"].encode())
        return web.json_response({"pid": os.getpid()})

    async def hold(self, request: web.Request) -> web.Response:
        """What it says of itself once there is a file `go` beside the table, and it has heard
        the word that it is to wait for."""
        word = request.query.get("for")
        go = self.context.folder / "go"
        while not go.exists() or (word and word not in self.heard):  # noqa: ASYNC110  others do it
            await asyncio.sleep(0.02)
        return await self.who(request)


VERSION = 1
