"""What types alone cannot say of a file: names that must exist, texts with a grammar, files."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network

from backends.catalogue import EMBEDDED, drivers
from backends.errors import BackendError
from gateway.config.addresses import check_target, parse_address
from gateway.config.check_routes import check_routes
from gateway.config.model import Config, HashBy, Listen, ListenTls, Server, Upstream, UpstreamTls
from gateway.config.nodes import Mapping, Scalar
from gateway.config.problems import Problems, quoted, suggestion
from gateway.config.source import Source

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
MEANT = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding"})


def check(config: Config, source: Source, problems: Problems) -> None:
    """Adds every mistake to `problems`, which knows where `config` came from."""
    _server(config.server, source, problems)
    for upstream in config.upstreams.values():
        _upstream(upstream, source, problems)
    _backends(source.root, problems)
    _shared(config, problems)
    check_routes(config.routes, source.root, problems)


def _server(server: Server, source: Source, problems: Problems) -> None:
    problems.check_texts(server, "listen", parse_address)
    problems.check_texts(server, "admin", parse_address)
    problems.check_texts(server, "trusted_proxies", _network)
    for listen in server.listen:
        if isinstance(listen, Listen):
            problems.check_texts(listen, "address", parse_address)
            if listen.tls:
                _files(listen.tls, ("cert", "key", "client_ca"), source, problems)


def _upstream(upstream: Upstream, source: Source, problems: Problems) -> None:
    for target in upstream.targets:
        problems.check_texts(target, "url", check_target)
    if upstream.targets and not any(target.weight for target in upstream.targets):
        problems.add(*problems.place(upstream, "targets"), "every target has weight 0")
    problems.check_texts(upstream, "deadline_header", _own_header)
    if isinstance(upstream.balance, HashBy):
        problems.check_texts(upstream.balance, "consistent_hash", check_hash_key)
    if upstream.health.active:
        problems.check_texts(upstream.health.active, "path", _check_path)
    if upstream.tls:
        _files(upstream.tls, ("ca", "cert", "key"), source, problems)
        if (upstream.tls.cert is None) != (upstream.tls.key is None):
            problems.add(*problems.place(upstream.tls), "cert and key go together")


def check_hash_key(text: str) -> None:
    """`header:NAME`, `cookie:NAME`, `ip`, `path`. Raises ValueError otherwise."""
    kind, colon, name = text.partition(":")
    if text not in ("ip", "path") and (kind not in ("header", "cookie") or not colon):
        raise ValueError("expected header:NAME, cookie:NAME, ip or path")
    if colon:
        _field_name(name)


def _field_name(text: str) -> None:
    if not TOKEN.fullmatch(text):
        raise ValueError("this is not a name of a header or cookie")


def _own_header(text: str) -> None:
    _field_name(text)
    if text.lower() in MEANT:
        raise ValueError("this header has a meaning of its own")


def _check_path(text: str) -> None:
    if not re.fullmatch(r"/[\x21\x24-\x7e]*", text):
        raise ValueError("expected a path such as /healthz")


def _files(
    tls: ListenTls | UpstreamTls, fields: tuple[str, ...], source: Source, problems: Problems
) -> None:
    def exists(path: str) -> None:
        if not os.path.isfile(source.folder / path):
            raise ValueError("there is no such file")

    for field in fields:
        problems.check_texts(tls, field, exists)


def _backends(root: Mapping, problems: Problems) -> None:
    section = root.entries.get("backends")
    if not isinstance(section, Mapping):
        return
    for name, value in section.entries.items():
        trail = ((None, "backends"), name)
        if name not in EMBEDDED:
            message = f"unknown backend {quoted(name)}{suggestion(name, EMBEDDED)}"
            problems.add(section.keys[name], trail, message)
        elif isinstance(value, Scalar) and (mistake := _no_url_of(name, value.text)):
            problems.add(value, trail, mistake)


def _no_url_of(capability: str, url: str) -> str | None:
    """What is wrong with it. Shared memory is not opened: that alone would make it."""
    scheme, mark, _ = url.partition("://")
    known = drivers(capability)
    if not mark or scheme not in known:
        return f"no driver has such a URL{suggestion(scheme, known)}"
    if scheme == "shm":
        return None
    try:
        known.open(url)
    except BackendError as error:
        return str(error)
    return None


def _shared(config: Config, problems: Problems) -> None:
    """Memory is one worker's own: a limit counted there is not shared with the others."""
    if not several(config, problems):
        return
    if not config.backends.get("limits", "memory://").startswith("memory:"):
        return
    for named in config.middlewares.values():
        scope = named.options.entries.get("scope") if isinstance(named.options, Mapping) else None
        if named.use == "rate_limit" and isinstance(scope, Scalar) and scope.text == "shared":
            message = (
                "with several workers a shared limit needs backends.limits: "
                "shm:// (this host) or redis:// (all hosts)"
            )
            problems.add(*problems.place(named, "scope"), message)


def several(config: Config, problems: Problems) -> bool:
    """`auto` is several also where there is one core: a file is right or wrong everywhere."""
    server = config.server
    if id(server) not in problems.places:
        return False
    node, _ = problems.place(server, "workers")
    return server.workers > 1 or (isinstance(node, Scalar) and node.text == "auto")


def _network(text: str) -> None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("expected an address or network such as 10.0.0.0/8") from None
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"has bits set beyond its prefix, did you mean {network}?")
