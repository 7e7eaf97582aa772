"""The route table's vocabulary as types. Defaults live here and nowhere else.

Every struct refuses unknown fields; `decode.py` turns a YAML tree into these and says where
in the file each mistake is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from gateway.config.units import Duration, FilePath, Ratio, Size, Workers


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the file whose keys are all known."""


class ListenTls(Section, frozen=True):
    """A listener's certificate. `client_ca` asks clients for one of theirs (mTLS)."""

    cert: FilePath
    key: FilePath
    client_ca: FilePath | None = None


class Listen(Section, frozen=True):
    """Where to listen: `host:port`, `[v6]:port` or `unix:/path`."""

    address: str
    tls: ListenTls | None = None


class Server(Section, frozen=True):
    listen: Annotated[list[str | Listen], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["0.0.0.0:4003"]
    )
    admin: str | None = "127.0.0.1:9901"
    workers: Workers = 1
    trusted_proxies: list[str] = []
    access_log: str = "stdout"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain: Duration = 30.0


Patience = Annotated[Duration, msgspec.Meta(gt=0)]


class Timeout(Section, frozen=True):
    """Seconds, on a route; what is not given is as in the defaults.

    connect: until a connection to the target stands. request: from the end of the request to
    the head of the answer. idle: without a byte either way.
    """

    connect: Patience | None = None
    request: Patience | None = None
    idle: Patience | None = None


class DefaultTimeout(Section, frozen=True):
    """Seconds. headers: for the client to send its whole request head."""

    connect: Patience = 0.5
    request: Patience = 30.0
    idle: Patience = 60.0
    headers: Patience = 10.0


class Limits(Section, frozen=True):
    """Bytes of a request body and head; open client connections."""

    body: Size = 10 * 1024 * 1024
    headers: Size = 16 * 1024
    connections: Annotated[int, msgspec.Meta(ge=1)] = 10_000


class Defaults(Section, frozen=True):
    timeout: DefaultTimeout = DefaultTimeout()
    limits: Limits = Limits()


class Target(Section, frozen=True):
    """`http://host:port/base`, `https://host`, or `unix:/path/to.sock`."""

    url: str
    weight: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1


class UpstreamTls(Section, frozen=True):
    """For https targets. Certificates are always verified: by `ca`, else by the system's."""

    ca: FilePath | None = None
    server_name: str | None = None
    cert: FilePath | None = None
    key: FilePath | None = None


class Retries(Section, frozen=True):
    """Further tries, where that is safe: idempotent requests, and those that were never sent.

    per_try: seconds for one of them, when another may follow. backoff: seconds before the
    first one at most, doubled each time. budget: their share of an upstream's requests.
    """

    attempts: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    on: list[Literal["connect", "reset", "timeout", 502, 503, 504]] = msgspec.field(
        default_factory=lambda: ["connect", "reset"]
    )
    per_try: Patience | None = None
    backoff: Duration = 0.025
    budget: Ratio = 0.2
    max_body: Size = 64 * 1024


class HashBy(Section, frozen=True):
    """`header:NAME`, `cookie:NAME`, `ip` or `path`."""

    consistent_hash: str

    def __str__(self) -> str:
        return f"consistent_hash {self.consistent_hash}"


class ActiveCheck(Section, frozen=True):
    """Asks each target for `path`, or only connects. Seconds; verdicts in a row that count."""

    path: str | None = None
    interval: Patience = 5.0
    timeout: Patience = 1.0
    healthy: Annotated[int, msgspec.Meta(ge=1)] = 2
    unhealthy: Annotated[int, msgspec.Meta(ge=1)] = 3


class PassiveCheck(Section, frozen=True):
    """So many failures within `window` leave a target out for `eject_for`, longer each time."""

    failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    window: Patience = 10.0
    eject_for: Patience = 10.0
    on: list[Literal["connect", "reset", "timeout", "protocol", "5xx"]] = msgspec.field(
        default_factory=lambda: ["connect", "reset", "timeout", "protocol"]
    )


class Health(Section, frozen=True):
    """panic: with a smaller share of healthy targets all are asked. slow_start: seconds until
    a target that came back has its whole weight again."""

    active: ActiveCheck | None = None
    passive: PassiveCheck | None = PassiveCheck()
    panic: Ratio = 0.5
    slow_start: Duration = 10.0


class Upstream(Section, frozen=True):
    """deadline_header: tells targets the milliseconds that are left for the answer."""

    targets: Annotated[list[Target], msgspec.Meta(min_length=1)]
    balance: Literal["round_robin", "least_requests", "random_two"] | HashBy = "round_robin"
    health: Health = Health()
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 256
    max_age: Duration = 300.0
    keep_idle: Duration = 30.0
    retries: Retries = Retries()
    deadline_header: str | None = None
    tls: UpstreamTls | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A middleware or plugin: `use` says which class, the rest is that class's own options.

    `options` is the mapping's node, for `resolve` to decode with the class's `Options`.
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

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
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
    "ActiveCheck",
    "Config",
    "DefaultTimeout",
    "Defaults",
    "HashBy",
    "Health",
    "Limits",
    "Listen",
    "ListenTls",
    "MatchRule",
    "Named",
    "PassiveCheck",
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
