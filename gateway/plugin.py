"""CONTRACT: a plugin, an in-process service that answers requests, and what it is given."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple

import msgspec
from aiohttp import web

from gateway.middleware import NoOptions, OptionsT
from gateway.seat import Broadcast, Leadership, Subscribers

if TYPE_CHECKING:
    from backends.catalogue import Backends
    from gateway.telemetry.metrics import Metrics

HealthCheck = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Context:
    """What a plugin or middleware is given by the gateway.

    name: its key in the file. folder: the file's folder, against which paths are read.
    metrics: makes counters and gauges on the admin page. backends: the engines that keep state;
    those named in the plugin's `needs` answer before start().
    plugin: what another plugin offers, by the plugin's name in the file, or None; to be asked
    in start() or later. Plugins start in the file's order, before the middlewares.
    routes: ids of the routes that end at this plugin, or that this middleware guards.
    worker: the number of this process among the workers of the host, from 0; each has an
    instance of its own. broadcast: tells all of them something. leadership: whether this is
    the one that does what is to be done once a host.
    """

    name: str
    folder: Path
    metrics: Metrics
    backends: Backends
    plugin: Callable[[str], Any]
    plugins: Callable[[], Mapping[str, Any]]
    routes: tuple[str, ...] = ()
    worker: int = 0
    broadcast: Broadcast = field(default_factory=Subscribers)
    leadership: Leadership = field(default_factory=Leadership)

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(f"gateway.{self.name}")


class Migrations(NamedTuple):
    """Tables of a plugin. owner: `[a-z][a-z0-9_-]*`, whose they are, for ever. folder: of Alembic
    revisions, without env.py. They are carried out before start(), under a lock."""

    owner: str
    folder: Path


class Command(NamedTuple):
    """What a plugin does by `ait-gateway PLUGIN COMMAND`. words: for `--help`.

    arguments: adds its own to the parser; `-c` is there already. run: prints to standard output;
    a GatewayError or BackendError ends the program with exit code 2.
    """

    words: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Awaitable[None]]


class Plugin(Generic[OptionsT]):
    """Construct without I/O -> start() -> handlers -> stop(), which works after a failed start.

    The handlers are aiohttp's own and find the verified identity and everything else about
    the request on `request["exchange"]`.

    needs: capabilities that it asks `context.backends` for, such as `("sql", "events")`. Each
    answers before start(), or there is no start. migrations: of its tables in `sql`.
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    needs: ClassVar[tuple[str, ...]] = ()
    migrations: ClassVar[Migrations | None] = None

    def __init__(self, options: OptionsT, context: Context) -> None:
        self.options = options
        self.context = context

    async def start(self) -> None:
        """Open what it needs. An exception stops the start, or the reload."""

    async def stop(self) -> None:
        """Close it again."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Paths are read after the route's `strip_prefix`."""
        return ()

    def offers(self) -> Any:
        """The in-process API for other plugins and middlewares (`context.plugin(name)`)."""
        return None

    def commands(self) -> Mapping[str, Command]:
        """By name. They run in a process of their own, on a plugin that was not started; its
        backends answer and its tables are there."""
        return {}

    def checks(self) -> Mapping[str, HealthCheck]:
        """Named checks for `/readyz`; one that raises, or takes over a second, is a failure."""
        return {}


AnyPlugin = Plugin[Any]
