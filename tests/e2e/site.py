"""A gateway and the upstreams behind it, described by a test module and shared by its tests.

Each test takes an upstream of its own (a pool in the gateway, a scripted server behind it), so
that no connection that another test left behind can be met.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.rawhttp import Client, dial
from tests.e2e.scripted_upstream import ScriptedUpstream, listening


class Site:
    """Described first (`pool`, `route`, ...), then started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.server: dict[str, Any] = {}
        self.more_listeners: list[Any] = []
        self.defaults: dict[str, Any] = {
            "timeout": {"connect": "1s", "request": "10s", "idle": "10s", "headers": "10s"}
        }
        self.backends: dict[str, str] = {}
        self.upstreams: dict[str, Any] = {}
        self.middlewares: dict[str, Any] = {}
        self.plugins: dict[str, Any] = {}
        self.routes: list[dict[str, Any]] = []
        self.scripted: dict[str, ScriptedUpstream] = {}
        self._unused: list[str] = []
        self._gateway: GatewayProcess | None = None
        self._clients: list[Client] = []

    @property
    def gateway(self) -> GatewayProcess:
        assert self._gateway is not None, "not started"
        return self._gateway

    def pools(self, count: int) -> None:
        """Upstreams that `fresh` hands out, one a test."""
        for number in range(count):
            self.pool(f"pool{number}")
            self._unused.append(f"pool{number}")

    def pool(
        self,
        name: str,
        *,
        upstream: dict[str, Any] | None = None,
        route: dict[str, Any] | None = None,
        server: ScriptedUpstream | None = None,
        url: str = "",
    ) -> ScriptedUpstream:
        """A scripted upstream behind the host `<name>.test`, every path."""
        server = server or ScriptedUpstream(listening())
        server.host = f"{name}.test"
        url = url or f"http://127.0.0.1:{server.listener.getsockname()[1]}"
        self.scripted[name] = server
        self.upstream(name, url, **upstream or {})
        self.route(name, hosts=[server.host], upstream=name, **route or {})
        return server

    def upstream(self, name: str, url: str, **options: Any) -> None:
        self.upstreams[name] = {"targets": [{"url": url}], **options}

    def route(self, name: str, path: str = "/**", **options: Any) -> None:
        match = {"path": path}
        for key in ("hosts", "methods", "headers", "query"):
            if key in options:
                match[key] = options.pop(key)
        self.routes.append({"id": name, "match": match, **options})

    def config(self) -> dict[str, Any]:
        return {
            "version": 1,
            "server": self.server,
            "defaults": self.defaults,
            "backends": self.backends,
            "plugins": self.plugins,
            "upstreams": self.upstreams,
            "middlewares": self.middlewares,
            "routes": self.routes,
        }

    def start(self) -> Site:
        self._gateway = GatewayProcess(self.folder, self.config(), *self.arguments)
        self._gateway.more_listeners = self.more_listeners
        self._gateway.start()
        return self

    def forget_gateway(self) -> None:
        """It failed as the test wanted; its exit is no longer looked at."""
        self.gateway.kill()
        self._gateway = None

    def fresh(self) -> ScriptedUpstream:
        return self.scripted[self._unused.pop()]

    def connect(self, *, keep: bool = True) -> Client:
        return self.adopt(self.gateway.connect(keep=keep))

    def dial(self, address: Any) -> Client:
        return self.adopt(dial(address))

    def adopt(self, client: Client) -> Client:
        """Closed after the test."""
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def close(self) -> None:
        self.close_clients()
        try:
            if self._gateway is not None:
                self._gateway.stop()
        finally:
            if self._gateway is not None:
                self._gateway.kill()
            for server in self.scripted.values():
                server.close()
