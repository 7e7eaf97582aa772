"""What a client sent to an endpoint: bounded, and each parameter once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from plugins.auth.oauth.errors import OAuthError
from plugins.auth.pages.forms import BadForm, body

FORM = "application/x-www-form-urlencoded"


async def parameters(request: web.Request) -> dict[str, str]:
    """Those without a value are as if left out (RFC 6749 section 3.2). Raises OAuthError."""
    if request.content_type != FORM:
        raise OAuthError("invalid_request", f"the body is {FORM}")
    try:
        text = (await body(request)).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except BadForm as error:
        raise OAuthError("invalid_request", "the body is too large", error.status) from None
    except ValueError:
        raise OAuthError("invalid_request", "the body cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is there twice")
    if any("\0" in value for value in found.values()):
        raise OAuthError("invalid_request", "a parameter has a NUL")
    return {name: value for name, value in found.items() if value}
