"""Where answers of /authorize may go: exactly where a client was registered for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

PRINTABLE = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]{1,2000}", re.ASCII)
"""What may be in a URI (RFC 3986), which leaves out quotes, `<`, `>`, `\\`, `^`, `` ` ``, `{|}`."""
PRIVATE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)
"""A scheme of an app: a domain the other way round (RFC 8252 section 7.1)."""
LITERALS = frozenset({"127.0.0.1", "::1"})


def check(uri: str) -> None:
    """Whether it may be registered. Raises ValueError."""
    if not PRINTABLE.fullmatch(uri):
        raise ValueError("a redirect URI has 1 to 2000 characters of RFC 3986")
    parts = _split(uri)
    if parts is None or "#" in uri or not parts.scheme:
        raise ValueError(f"{uri} is no absolute URI without a fragment")
    if PRIVATE.fullmatch(parts.scheme):
        return
    local = parts.hostname in {"localhost", *LITERALS}
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{uri} is neither https nor of an app's own scheme (com.example.app:/)")
    if parts.scheme == "http" and not local:
        raise ValueError(f"{uri} is not https, which only this machine may leave out")


def registered(uri: str, known: Iterable[str], *, native: bool) -> bool:
    """Compared as text; for a native app on a literal loopback address, whatever its port
    (RFC 8252 section 7.3)."""
    known = tuple(known)
    if uri in known:
        return True
    asked = _without_port(uri) if native else None
    return asked is not None and any(_without_port(each) == asked for each in known)


def assured(uri: str) -> bool:
    """Whether no other app of the device can be there instead (RFC 8252 section 8.6)."""
    return uri.startswith("https:")


def _without_port(uri: str) -> str | None:
    """None for what is not on a literal loopback address."""
    parts = _split(uri)
    if parts is None or parts.scheme != "http" or parts.hostname not in LITERALS:
        return None
    host = "[::1]" if parts.hostname == "::1" else "127.0.0.1"
    if parts.port is not None and uri.startswith(f"http://{host}:{parts.port}"):
        return "http://" + host + uri.removeprefix(f"http://{host}:{parts.port}")
    return uri if parts.netloc == host else None


def _split(uri: str) -> SplitResult | None:
    if not PRINTABLE.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts
