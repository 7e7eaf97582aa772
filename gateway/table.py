"""The route table in force: routes, and the middlewares, plugins and upstreams they use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.chain import Chain, fold
from gateway.config import Resolved
from gateway.config.model import Config
from gateway.config.model import Route as RouteConfig
from gateway.errors import LoadError, PluginError, Problem
from gateway.exchange import Exchange
from gateway.fixed import Redirection, Respondent
from gateway.inprocess import InProcess, Site
from gateway.middleware import AnyMiddleware
from gateway.migrating import migrated
from gateway.neighbours import Neighbours, closure
from gateway.plugin import AnyPlugin, Context
from gateway.proxy import Proxy
from gateway.rewrite import compile_rewrite, expand, params_of
from gateway.route import Endpoint, Route
from gateway.router import Router, Rule
from gateway.seat import Seat
from gateway.upstream.pool import Upstream

if TYPE_CHECKING:
    from backends.catalogue import Backends
    from gateway.listener import Listener
    from gateway.telemetry.metrics import Metrics
    from gateway.wheel import Wheel

log = logging.getLogger("gateway.table")
UNMATCHED = "-"


class Table:
    """Everything a request may meet. Complete before it serves its first one."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.upstreams: dict[str, Upstream] = {}
        self.plugins: dict[str, AnyPlugin] = {}
        self.sites: dict[str, Site] = {}
        self.middlewares: dict[str, AnyMiddleware] = {}
        self.seen_by_plugin: dict[str, Neighbours] = {}
        self.seen_by_middleware: dict[str, Neighbours] = {}
        self.routes: list[Route] = []
        self.router: Router[Route]
        self.unmatched: Route

    @property
    def config(self) -> Config:
        return self.resolved.config

    def come_into_force(self) -> None:
        """From now on requests come by this table."""
        for seen in (*self.seen_by_plugin.values(), *self.seen_by_middleware.values()):
            seen.table = self
        for upstream in self.upstreams.values():
            upstream.start()

    def retire_upstreams(self, kept: Collection[Upstream]) -> None:
        """Close the connections to targets that are not kept, as they fall idle."""
        targets = {target for upstream in kept for target in upstream.targets}
        for upstream in self.upstreams.values():
            if upstream not in kept:
                upstream.retire(targets)

    def classes(self) -> set[type]:
        """Of its plugins and middlewares."""
        return {type(part) for part in (*self.plugins.values(), *self.middlewares.values())}

    def offers(self) -> Mapping[str, Any]:
        """What the plugins offer in process, by the plugin's name."""
        return {name: plugin.offers() for name, plugin in self.plugins.items()}


class Builder:
    """Builds a table aside, keeping from the previous one what has not changed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        metrics: Metrics,
        backends: Backends,
        seat: Seat | None = None,
    ) -> None:
        self.loop = loop
        self.wheel = wheel
        self.metrics = metrics
        self.backends = backends
        self.seat = seat or Seat()

    async def build(self, resolved: Resolved, previous: Table | None) -> Table:
        """Raises GatewayError; then all that was started for the new table is stopped again."""
        table = Table(resolved)
        async with AsyncExitStack() as undo:
            changed = _changed(resolved, previous)
            await self._plugins(table, previous, changed, undo)
            await self._middlewares(table, previous, changed, undo)
            self._upstreams(table, previous)
            self._routes(table)
            undo.pop_all()
        return table

    async def _plugins(
        self,
        table: Table,
        previous: Table | None,
        changed: Collection[str],
        undo: AsyncExitStack,
    ) -> None:
        """Start what is new, in the file's order."""
        resolved = table.resolved
        for name, use in resolved.plugins.items():
            if previous is not None and name not in changed:
                table.plugins[name] = previous.plugins[name]
                table.sites[name] = previous.sites[name]
                table.seen_by_plugin[name] = previous.seen_by_plugin[name]
                continue
            routes = tuple(r.id for r in resolved.config.routes if r.plugin == name)
            seen = table.seen_by_plugin[name] = Neighbours(table)
            plugin = use.kind(use.options, self._context(name, table, seen, routes))
            undo.push_async_callback(_stop, name, plugin)
            try:
                await self.backends.ready(plugin.needs)
                if plugin.migrations is not None:
                    await migrated(self.backends, plugin.migrations)
                await plugin.start()
                site = Site(name, list(plugin.routes()))
                await site.start()
            except Exception as error:
                raise PluginError(f"plugin {name} failed to start: {_said(error)}") from error
            undo.push_async_callback(site.stop)
            table.plugins[name] = plugin
            table.sites[name] = site

    async def _middlewares(
        self,
        table: Table,
        previous: Table | None,
        changed: Collection[str],
        undo: AsyncExitStack,
    ) -> None:
        """One stays, with its counts, while its entry and the plugins it asked for are the same."""
        resolved = table.resolved
        for name, use in resolved.middlewares.items():
            if (
                previous is not None
                and previous.resolved.middlewares.get(name) == use
                and not previous.seen_by_middleware[name].concerned_by(changed)
            ):
                table.middlewares[name] = previous.middlewares[name]
                table.seen_by_middleware[name] = previous.seen_by_middleware[name]
                continue
            routes = tuple(r.id for r in resolved.config.routes if name in r.middlewares)
            seen = table.seen_by_middleware[name] = Neighbours(table)
            try:
                middleware = use.kind(use.options, self._context(name, table, seen, routes))
                undo.push_async_callback(_stop, name, middleware)
                await middleware.start()
            except Exception as error:
                raise LoadError(f"middleware {name} failed to start: {_said(error)}") from error
            table.middlewares[name] = middleware

    def _upstreams(self, table: Table, previous: Table | None) -> None:
        for name, config in table.config.upstreams.items():
            old = previous.upstreams.get(name) if previous is not None else None
            if old is not None and old.config == config:
                table.upstreams[name] = old
                continue
            try:
                table.upstreams[name] = Upstream(
                    name, config, self.loop, self.wheel, self.metrics, previous=old
                )
            except OSError as error:
                raise LoadError(f"upstream {name}: its TLS files: {_said(error)}") from error

    def _routes(self, table: Table) -> None:
        table.unmatched = self._unmatched()
        rules: list[tuple[Rule, Route]] = []
        for config in table.config.routes:
            route = self._route(table, config)
            table.routes.append(route)
            match = config.match
            methods = tuple(match.methods)
            if methods and "OPTIONS" not in methods and _answers_preflight(table, config):
                route.endpoint = PreflightOnly(route.endpoint, methods)
                methods = (*methods, "OPTIONS")
            rule = Rule(
                id=config.id,
                path=match.path,
                methods=methods,
                hosts=tuple(match.hosts),
                headers=match.headers,
                query=match.query,
                guards=frozenset(config.middlewares),
            )
            rules.append((rule, route))
        table.router = Router(rules)

    def _route(self, table: Table, config: RouteConfig) -> Route:
        defaults = table.config.defaults
        timeout, fallback = config.timeout, defaults.timeout
        return Route(
            id=config.id,
            chain=fold([(name, table.middlewares[name]) for name in config.middlewares]),
            endpoint=self._endpoint(table, config),
            endpoint_name=config.upstream or config.plugin or config.id,
            request_timeout=timeout.request or fallback.request,
            idle_timeout=timeout.idle or fallback.idle,
            body_limit=defaults.limits.body,
            metrics=self.metrics.route(config.id),
            params_of=params_of(config.match.path),
        )

    def _endpoint(self, table: Table, config: RouteConfig) -> Endpoint:
        if config.respond is not None:
            return Respondent(config.respond)
        if config.redirect is not None:
            return Redirection(config.redirect, expand(config.match.path, config.redirect.to))
        rewrite = compile_rewrite(config.match.path, config.strip_prefix, config.rewrite)
        if config.plugin is not None:
            return InProcess(table.sites[config.plugin], rewrite)
        assert config.upstream is not None
        connect = config.timeout.connect or table.config.defaults.timeout.connect
        return Proxy(table.upstreams[config.upstream], rewrite, connect)

    def _unmatched(self) -> Route:
        """The route of requests that have none, for the books."""
        return Route(
            id=UNMATCHED,
            chain=Chain(),
            endpoint=Nowhere(),
            endpoint_name=UNMATCHED,
            request_timeout=30.0,
            idle_timeout=30.0,
            body_limit=0,
            metrics=self.metrics.route(UNMATCHED),
            params_of=lambda captures: {},
        )

    def _context(
        self, name: str, table: Table, seen: Neighbours, routes: tuple[str, ...]
    ) -> Context:
        folder: Path = table.resolved.folder
        return Context(
            name=name,
            folder=folder,
            metrics=self.metrics,
            backends=self.backends,
            plugin=seen.plugin,
            plugins=seen.plugins,
            routes=routes,
            worker=self.seat.number,
            broadcast=self.seat.broadcast,
            leadership=self.seat.leadership,
        )


def _changed(resolved: Resolved, previous: Table | None) -> frozenset[str]:
    """Names of plugins that are not what they were: by their entries, or by whom they asked."""
    if previous is None:
        return frozenset(resolved.plugins)
    before = previous.resolved.plugins
    names = before.keys() | resolved.plugins.keys()
    unlike = {name for name in names if before.get(name) != resolved.plugins.get(name)}
    return closure(unlike, previous.seen_by_plugin)


class PreflightOnly:
    """A route whose methods leave OPTIONS out, but whose `cors` answers preflights."""

    def __init__(self, endpoint: Endpoint, methods: tuple[str, ...]) -> None:
        self._endpoint = endpoint
        self._refusal = Problem(
            405, "This path does not take that method.", [("Allow", ", ".join(sorted(methods)))]
        )

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        if exchange.method == "OPTIONS":
            listener.respond(self._refusal, exchange.route.chain.response)
        else:
            self._endpoint.begin(listener, exchange)


class Nowhere:
    """The endpoint of requests that match no route: they are answered before it."""

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        listener.respond(Problem(404, "No route matches this host and path."))


async def retire(old: Table, new: Table) -> None:
    """Stop what the new table no longer has. Nothing in flight may need it any more."""
    for name, middleware in old.middlewares.items():
        if new.middlewares.get(name) is not middleware:
            await _stop(name, middleware)
    for name, plugin in reversed(old.plugins.items()):
        if new.plugins.get(name) is not plugin:
            await old.sites[name].stop()
            await _stop(name, plugin)


async def _stop(name: str, part: AnyMiddleware | AnyPlugin) -> None:
    try:
        await part.stop()
    except Exception:
        log.exception("%s failed to stop", name)


def _answers_preflight(table: Table, config: RouteConfig) -> bool:
    return any(table.middlewares[name].answers_preflight for name in config.middlewares)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
