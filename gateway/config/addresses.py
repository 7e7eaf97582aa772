"""Addresses to listen on and URLs of targets, as text."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
PORT = re.compile(r"[0-9]{1,5}")
UNIX = "unix:"
UNIX_PATH_LIMIT = 107  # bytes of sun_path in unix(7), less its NUL


class Address(NamedTuple):
    """`host` and `port`, or `unix`, the path of a socket."""

    host: str = ""
    port: int = 0
    unix: str = ""


def parse_address(text: str) -> Address:
    """`0.0.0.0:4003`, `[::]:4003`, `localhost:4003`, `unix:/run/gateway.sock`.

    Port 0 is one that is free. Raises ValueError.
    """
    if text.startswith(UNIX):
        return Address(unix=_socket_path(text))
    host, colon, port = text.rpartition(":")
    if not colon or not PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("expected host:port, [v6]:port or unix:/path")
    return Address(_host(host), int(port))


def check_target(url: str) -> None:
    """`http://host:port/base`, `https://host`, `unix:/path`. Raises ValueError otherwise."""
    if url.startswith(UNIX):
        _socket_path(url)
        return
    if re.search(r"[^\x21-\x7e]|[\\<>\"{}|^`]", url):
        raise ValueError("a URL cannot hold spaces or such characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("this is not a URL") from None
    if parts.scheme not in ("http", "https") or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("expected http://host:port, https://host or unix:/path")
    if "@" in parts.netloc:
        raise ValueError("a target has no user or password in its URL")
    if "?" in url or "#" in url:
        raise ValueError("a target has no query or fragment in its URL")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the port is missing or 0")
    _host(parts.netloc.removesuffix(f":{port}"))


def _socket_path(text: str) -> str:
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or path.startswith("//") or path.endswith("/"):
        raise ValueError("expected unix:/path/to/socket")
    if "\0" in path or len(path.encode()) > UNIX_PATH_LIMIT:
        raise ValueError(f"the path of a unix socket has at most {UNIX_PATH_LIMIT} bytes")
    return path


def _host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError("expected an IPv6 address in the brackets") from None
    if ":" in host:
        raise ValueError("an IPv6 address is written in brackets, [::1]:4003")
    if not HOST.fullmatch(host):
        raise ValueError("the host is missing or no host name")
    return host
