"""Errors as RFC 6749 section 5.2 has them."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class OAuthError(Exception):
    """code: of the RFC. description: for developers, without anything the client sent."""

    def __init__(
        self,
        code: str,
        description: str,
        status: int = 400,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self.headers = headers or {}

    def response(self) -> web.Response:
        headers = {**NO_STORE, **self.headers}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="auth", charset="UTF-8"'
        value = {"error": self.code, "error_description": self.description}
        return answer(value, self.status, headers)


def invalid_client(why: str = "the client is not authenticated") -> OAuthError:
    """The same for an unknown client, a wrong secret and another method than registered."""
    return OAuthError("invalid_client", why, 401)


def answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        content_type="application/json",
        headers=headers or NO_STORE,
    )
