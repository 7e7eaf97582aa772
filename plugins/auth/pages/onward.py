"""Where a log-in leads: to a path under the issuer and nowhere else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

HOME = "/account"


def onward(asked: str, base: str) -> str:
    """The path after `base`; HOME for whatever leads to another origin or out of the plugin."""
    if len(asked) > 8000 or "\\" in asked or not asked.isascii() or not asked.isprintable():
        return HOME
    parts = urlsplit(asked)
    path = unquote(parts.path)
    if parts.scheme or parts.netloc or asked.startswith("//") or "//" in path or "\\" in path:
        return HOME
    if not path.startswith(base + "/") or any(each in {".", ".."} for each in path.split("/")):
        return HOME
    return asked.removeprefix(base)
