"""Answers of /authorize on their way to the client, by the browser."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from plugins.auth.pages.rendering import SAFETY, Pages


class Responses:
    """Each has `iss` (RFC 9207)."""

    def __init__(self, issuer: str, pages: Pages) -> None:
        self._issuer = issuer
        self._pages = pages

    def send(
        self, request: web.Request, uri: str, mode: str, state: str, told: Mapping[str, str]
    ) -> web.Response:
        """mode: `query`, or `form_post` (OAuth 2.0 Form Post Response Mode)."""
        values = {**told, **({"state": state} if state else {}), "iss": self._issuer}
        if mode == "form_post":
            return self._pages.render(request, "form_post.html", action=uri, values=values)
        joined = uri + ("&" if "?" in uri else "?") + urlencode(values)
        return web.Response(status=303, headers={"Location": joined, **SAFETY})
