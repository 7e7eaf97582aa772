"""One bounded request to a provider. Its answer is JSON and comes from where it was asked."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import orjson

from plugins.auth.social.errors import Unreachable

PATIENCE = 10.0
LARGEST = 256 * 1024


class Answer(NamedTuple):
    status: int
    content: Any


async def ask(
    url: str, headers: Mapping[str, str], form: str | None = None, *, patience: float = PATIENCE
) -> Answer:
    """GET, or POST of a form. Raises Unreachable, with no more of the URL than its host.

    No redirect is followed, no proxy of the environment used, no cookie kept.
    """
    sent = {"Accept": "application/json", "User-Agent": "ait-gateway", **headers}
    if form is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    method = "GET" if form is None else "POST"
    try:
        async with (
            asyncio.timeout(patience),
            aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, url, data=form, headers=sent, allow_redirects=False) as answer,
        ):
            return Answer(answer.status, await _content(answer))
    except TimeoutError as error:
        raise Unreachable(f"{_host(url)}: no answer in {patience:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreachable(f"{_host(url)}: {type(error).__name__}") from error


def basic(client_id: str, client_secret: str) -> str:
    """An Authorization line (RFC 6749 section 2.3.1: both are form-encoded first)."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def _content(answer: aiohttp.ClientResponse) -> Any:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > LARGEST:
            raise Unreachable(f"{answer.url.host}: more than {LARGEST} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if answer.status == 200:
            raise Unreachable(f"{answer.url.host}: not JSON") from None
        return None


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
