"""The route table's vocabulary as types. Defaults live here and nowhere else.

Every struct refuses unknown fields; `decode.py` turns a YAML tree into these and says where
in the file each mistake is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from gateway.config.units import Duration, Ratio, Size


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the file whose keys are all known."""


class ListenTls(Section, frozen=True):
    """A listener's certificate. `client_ca` asks clients for one of theirs (mTLS)."""

    cert: str
    key: str
    client_ca: str | None = None


class Listen(Section, frozen=True):
    """Where to listen: `host:port`, `[v6]:port` or `unix:/path`."""

    address: str
    tls: ListenTls | None = None


class Server(Section, frozen=True):
    listen: list[str | Listen] = ["0.0.0.0:4003"]
    admin: str | None = "127.0.0.1:9901"
    workers: Literal[1] = 1
    trusted_proxies: list[str] = []
    access_log: str = "stdout"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain: Duration = 30.0


class Timeout(Section, frozen=True):
    """Seconds. On a route only the fields that are given replace the defaults.

    connect: until a connection to the target stands. request: from the end of the request to
    the head of the answer. idle: without a byte either way. headers: for the client to send
    its whole request head.
    """

    connect: Duration | None = None
    request: Duration | None = None
    idle: Duration | None = None
    headers: Duration | None = None


class Limits(Section, frozen=True):
    """Bytes of a request body and head; open client connections."""

    body: Size = 10 * 1024 * 1024
    headers: Size = 16 * 1024
    connections: Annotated[int, msgspec.Meta(ge=1)] = 10_000


class Defaults(Section, frozen=True):
    timeout: Timeout = Timeout(connect=0.5, request=30.0, idle=60.0, headers=10.0)
    limits: Limits = Limits()


class Target(Section, frozen=True):
    """`http://host:port/base`, `https://host`, or `unix:/path/to.sock`."""

    url: str
    weight: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1


class UpstreamTls(Section, frozen=True):
    """For https targets. Certificates are always verified: by `ca`, else by the system's."""

    ca: str | None = None
    server_name: str | None = None
    cert: str | None = None
    key: str | None = None


class Retries(Section, frozen=True):
    attempts: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    on: list[Literal["connect", "reset"]] = ["connect", "reset"]
    max_body: Size = 64 * 1024


class Upstream(Section, frozen=True):
    targets: list[Target]
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 256
    max_age: Duration = 300.0
    keep_idle: Duration = 30.0
    retries: Retries = Retries()
    tls: UpstreamTls | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A middleware or plugin: `use` says which class, the rest is that class's own options.

    `options` are decoded with the class's `Options` type, so their mistakes have a line too.
    """

    use: str
    options: Any = None


class MatchRule(Section, frozen=True):
    path: str
    methods: list[str] = []
    hosts: list[str] = []
    headers: dict[str, str] = {}
    query: dict[str, str] = {}


class Redirect(Section, frozen=True):
    """`to` is a URL or a path; `{1}` and `{name}` are what the pattern caught."""

    to: str
    status: Literal[301, 302, 303, 307, 308] = 308


class Respond(Section, frozen=True):
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200
    body: str = ""
    headers: dict[str, str] = {}


class Route(Section, frozen=True):
    """Exactly one of upstream, plugin, redirect and respond says where requests end."""

    id: str
    match: MatchRule
    middlewares: list[str] = []
    upstream: str | None = None
    plugin: str | None = None
    redirect: Redirect | None = None
    respond: Respond | None = None
    strip_prefix: str | None = None
    rewrite: str | None = None
    timeout: Timeout = Timeout()


class Config(Section, frozen=True):
    version: Literal[1]
    server: Server = Server()
    defaults: Defaults = Defaults()
    backends: dict[str, str] = {}
    plugins: dict[str, Named] = {}
    upstreams: dict[str, Upstream] = {}
    middlewares: dict[str, Named] = {}
    routes: list[Route] = []


__all__ = [
    "Config",
    "Defaults",
    "Limits",
    "Listen",
    "ListenTls",
    "MatchRule",
    "Named",
    "Ratio",
    "Redirect",
    "Respond",
    "Retries",
    "Route",
    "Section",
    "Server",
    "Target",
    "Timeout",
    "Upstream",
    "UpstreamTls",
]
