"""What a form sent: bounded, each field once, and from a page of ours."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from plugins.auth.cookies import cookie_of

LARGEST = 64 * 1024


class BadForm(Exception):
    """It is not a form of ours. status: what to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def fields(request: web.Request, csrf_cookie: str) -> dict[str, str]:
    """Raises BadForm, also when the CSRF token is missing or wrong."""
    found = await posted(request)
    check_origin(request, found, csrf_cookie)
    return found


async def posted(request: web.Request) -> dict[str, str]:
    """From wherever. Raises BadForm."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadForm(415, "a form is application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            (await body(request)).decode(),
            keep_blank_values=True,
            strict_parsing=False,
            max_num_fields=50,
        )
    except ValueError:
        raise BadForm(400, "the form cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadForm(400, "a field is there twice")
    if "\0" in "".join(found.values()):  # which PostgreSQL holds in no text
        raise BadForm(400, "a field has a NUL")
    return found


async def body(request: web.Request) -> bytes:
    """Raises BadForm for more than 64 KiB."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > LARGEST:
            raise BadForm(413, "the form is too large")
        parts.append(part)
    return b"".join(parts)


def new_token() -> str:
    return secrets.token_urlsafe(24)


def check_origin(request: web.Request, found: Mapping[str, str], csrf_cookie: str) -> None:
    """The token in the form is the one in the cookie, which other sites can neither read nor
    set (`__Host-`), and a browser that says where the form was says it was here. Raises BadForm."""
    sent, held = found.get("csrf", ""), cookie_of(request, csrf_cookie)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise BadForm(403, "the form is of another site")
    if not held or not hmac.compare_digest(sent.encode(), held.encode()):
        raise BadForm(403, "the form has expired; load the page again")
