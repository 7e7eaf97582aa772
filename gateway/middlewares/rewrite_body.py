"""Renames, removes and adds fields of JSON bodies, of requests and of answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from gateway.config.model import Section
from gateway.config.units import Size
from gateway.errors import Problem
from gateway.exchange import BodyTransform, Exchange
from gateway.http1.headers import Headers
from gateway.json_edits import JSONEdits, NotJSON
from gateway.middleware import Middleware
from gateway.plugin import Context
from gateway.transforming import BodyRefused, confirm_tag, describe_anew, forget_digests


class BodyEdits(Section, frozen=True):
    """Applied in this order: remove, rename, add.

    Keys are paths from the document's root, `items.*.name` for every element of a list. `rename`
    says the new name alone; `add` replaces what is there and may hold `${jwt.sub}` and every
    other attribute of gateway/attributes.py.
    """

    rename: dict[str, str] = msgspec.field(default_factory=dict)
    remove: list[str] = msgspec.field(default_factory=list)
    add: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.compiled()

    def compiled(self) -> JSONEdits:
        return JSONEdits(self.rename, self.remove, self.add)


class RewriteBodyOptions(Section, frozen=True):
    """max: bytes of a JSON body, in either direction."""

    request: BodyEdits = msgspec.field(default_factory=BodyEdits)
    response: BodyEdits = msgspec.field(default_factory=BodyEdits)
    max: Size = 1048576


class RewriteBody(Middleware[RewriteBodyOptions]):
    """Edits bodies that say they are JSON; one that it cannot edit does not pass."""

    Options = RewriteBodyOptions

    def __init__(self, options: RewriteBodyOptions, context: Context) -> None:
        super().__init__(options, context)
        self._on_request = options.request.compiled()
        self._on_response = options.response.compiled()
        self.transforms_answer = bool(self._on_response)

    def request(self, exchange: Exchange) -> Awaitable[Problem | None] | Problem | None:
        headers = exchange.headers
        if self._on_response:
            for name in ("Accept-Encoding", "Range", "If-Range"):
                headers.remove(name)
        if not self._on_request or exchange.content_length == 0:
            return None
        if len(headers.getall("content-type")) > 1:
            return Problem(400, "The body is said to be of more than one type.", close=True)
        if not _is_json(headers):
            return None
        if "content-encoding" in headers:
            return Problem(415, "This route takes JSON without a content coding.", close=True)
        return self._rewritten(exchange)

    async def _rewritten(self, exchange: Exchange) -> Problem | None:
        body = await exchange.read_body(self.options.max)
        if body is None:
            return Problem(413, "The body is larger than this route takes.", close=True)
        if not body:
            return None
        try:
            exchange.replace_body(self._on_request.apply(body, exchange))
        except NotJSON:
            return Problem(400, "The body is not JSON, though it says so.")
        forget_digests(exchange.headers)
        return None

    def response(self, exchange: Exchange) -> None:
        answer = exchange.answer
        headers = answer.headers
        if not self._on_response or not exchange.reached_endpoint:
            return
        if answer.status == 304:
            confirm_tag(exchange)
        if not _is_json(headers):
            return
        describe_anew(headers)
        if exchange.method == "HEAD" or answer.status == 304:
            headers.remove("Content-Length")  # of the body as it was
        elif not answer.fixed:
            edit = partial(self._on_response.apply, exchange=exchange)
            coded = "content-encoding" in headers or "content-range" in headers
            exchange.rewriting = Rewriting(
                edit, 0 if coded else self.options.max, exchange.rewriting
            )
        elif answer.length != 0:
            raise BodyRefused("this kind of a plugin's answer cannot be read")


class Rewriting:
    """Collects a body, at most so many bytes, and edits it; after `before`, if there is one."""

    def __init__(
        self, edit: Callable[[bytes], bytes], most: int, before: BodyTransform | None
    ) -> None:
        self._edit = edit
        self._most = most
        self._before = before
        self._body = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > self._most:
            why = f"longer than {self._most} bytes" if self._most else "a part, or in a coding"
            raise BodyRefused(why)
        if self._before is not None:
            return self._before.feed(data)
        self._body += data
        return b""

    def end(self) -> bytes:
        body = self._before.end() if self._before is not None else bytes(self._body)
        try:
            return self._edit(body)
        except NotJSON as error:
            raise BodyRefused(f"not JSON ({error})") from None


def _is_json(headers: Headers) -> bool:
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind[:12] == "application/" and kind[-5:] == "+json")
