"""What is measured, on whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness.peers import (
    AIOHTTP,
    CADDY,
    ENVOY,
    EVERYONE,
    EXPRESS,
    FASTIFY,
    GATEWAY,
    HAPROXY,
    KRAKEND,
    NGINX,
    TRAEFIK,
    Peer,
)
from benchmarks.harness.tally import Kind

QUICK = (GATEWAY, NGINX, HAPROXY, ENVOY, AIOHTTP)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Contestant:
    """A peer in one configuration; `label` is its row, `paths` are for it instead of all."""

    label: str
    peer: Peer
    variant: str = "bare"
    workers: int = 1
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Traffic:
    """Requests that are sent in turn over `connections`; `rate` a second, if it is fixed."""

    kind: Kind = "http"
    paths: tuple[str, ...] = ("/",)
    connections: int = 64
    rate: float = 0.0
    tls: bool = False
    fresh: bool = False
    body: int = 0
    chunked: bool = False
    tokens: bool = False


@dataclass(frozen=True)
class Scenario:
    """The first contestant is the one that the others are compared with. `quick` are the labels
    that the quick run has; `unit` is what is counted."""

    key: str
    title: str
    traffic: Traffic
    contestants: tuple[Contestant, ...]
    quick: tuple[str, ...] = ()
    unit: str = "request"
    metric: Literal["cost", "memory"] = "cost"
    note: str = ""


def bare(*peers: Peer) -> tuple[Contestant, ...]:
    return tuple(Contestant(peer.name, peer) for peer in peers)


def named(*peers: Peer) -> tuple[str, ...]:
    return tuple(peer.name for peer in peers)


def routes(count: int) -> tuple[str, ...]:
    """Paths all over a table of so many routes, of its three shapes."""
    numbers = range(0, count, max(1, count // 99))
    shapes = ("/v1/shop{n}/orders", "/v1/shop{n}/orders/4711", "/v1/shop{n}/a/b")
    return tuple(shapes[n % 3].format(n=n // 3) for n in numbers)


WITHOUT_KRAKEND = tuple(peer for peer in EVERYONE if peer is not KRAKEND)
SCENARIOS = (
    Scenario("get", "Small GET", Traffic(), bare(*EVERYONE), named(*QUICK)),
    Scenario(
        "chain",
        "Small GET through the whole chain",
        Traffic(tokens=True),
        (
            Contestant("ait-gateway", GATEWAY, "chain"),
            Contestant("Envoy", ENVOY, "chain"),
            Contestant("KrakenD", KRAKEND, "chain"),
            Contestant("nginx, bare", NGINX),
            Contestant("ait-gateway, bare", GATEWAY),
        ),
        ("ait-gateway", "Envoy", "nginx, bare"),
        note="JWT verified, a limit for each of 16 users, circuit breaker, metrics, JSON access "
        "log in a file; the rows marked bare have none of it",
    ),
    Scenario(
        "answer-64k",
        "64 KiB answers",
        Traffic(paths=("/files/64k.bin",)),
        bare(*EVERYONE),
        named(GATEWAY, NGINX),
    ),
    Scenario("answer-1m", "1 MiB answers", Traffic(paths=("/files/1m.bin",)), bare(*EVERYONE)),
    Scenario(
        "upload-1m",
        "1 MiB uploads",
        Traffic(paths=("/upload",), body=MIB, connections=16),
        bare(*EVERYONE),
        named(GATEWAY, NGINX),
    ),
    Scenario(
        "chunked",
        "Chunked both ways, 4 KiB up and 4 KiB down",
        Traffic(paths=("/chunked",), body=4096, chunked=True),
        bare(*WITHOUT_KRAKEND),
    ),
    Scenario("tls", "Small GET over TLS 1.3", Traffic(tls=True), bare(*WITHOUT_KRAKEND)),
    Scenario(
        "fresh",
        "Small GET, a new connection for each",
        Traffic(fresh=True),
        bare(*EVERYONE),
    ),
    Scenario(
        "rate",
        "Small GET at 2,000 a second",
        Traffic("rate", rate=2000.0),
        bare(*EVERYONE),
        named(GATEWAY, NGINX, ENVOY),
        note="latencies count from when a request was due: no coordinated omission",
    ),
    Scenario(
        "websocket",
        "WebSocket messages of 64 bytes, to and fro",
        Traffic("websocket", paths=("/live/ws",)),
        bare(GATEWAY, NGINX, HAPROXY, ENVOY, TRAEFIK, CADDY, FASTIFY, EXPRESS, AIOHTTP),
        unit="message",
    ),
    Scenario(
        "events",
        "Server-sent events, 20 a second to each of 200 clients",
        Traffic("events", paths=("/live/events",), connections=200),
        bare(GATEWAY, NGINX, HAPROXY, ENVOY, TRAEFIK, CADDY, FASTIFY, EXPRESS, AIOHTTP),
        unit="event",
        note="latency: from the upstream's clock in the event to the client",
    ),
    Scenario(
        "routes",
        "10,000 routes beside 10",
        Traffic(),
        (
            Contestant("10,000 routes", GATEWAY, "routes-10000", paths=routes(10_000)),
            Contestant("10 routes", GATEWAY, "routes-10", paths=routes(10)),
        ),
    ),
    Scenario(
        "idle",
        "10,000 idle connections",
        Traffic("idle", connections=10_000),
        bare(*EVERYONE),
        unit="connection",
        metric="memory",
    ),
    Scenario(
        "workers",
        "Small GET with one and two workers",
        Traffic(connections=128),
        (
            Contestant("ait-gateway, 2 workers", GATEWAY, workers=2),
            Contestant("ait-gateway, 1 worker", GATEWAY),
            Contestant("nginx, 2 workers", NGINX, workers=2),
            Contestant("nginx, 1 worker", NGINX),
            Contestant("Envoy, 2 workers", ENVOY, workers=2),
            Contestant("Envoy, 1 worker", ENVOY),
        ),
        note="two workers on two cores take 2 / (cost with two / cost with one) times the requests "
        "of one, the load generator aside",
    ),
    Scenario(
        "plugin",
        "An endpoint in a plugin",
        Traffic(paths=("/items/4711",)),
        (
            Contestant("ait-gateway", GATEWAY, "plugin"),
            Contestant("plain aiohttp", AIOHTTP, "plugin"),
        ),
        ("ait-gateway", "plain aiohttp"),
    ),
)
