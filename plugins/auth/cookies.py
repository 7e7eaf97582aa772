"""Cookies of ours, as browsers send them back."""

from __future__ import annotations

import re

from aiohttp import web

TOKEN = re.compile(r"[\w-]{20,100}", re.ASCII)
"""base64url of random bytes, which all of ours are."""


def cookie_of(request: web.Request, name: str) -> str:
    """Empty if there is none, or none that we can have set."""
    held = request.cookies.get(name, "")
    return held if TOKEN.fullmatch(held) else ""
