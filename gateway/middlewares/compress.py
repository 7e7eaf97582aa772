"""Compresses answers for clients that take it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated

import msgspec

from gateway.coding import CompressedBody, acceptable
from gateway.config.model import Section
from gateway.config.units import Size
from gateway.exchange import Exchange
from gateway.http1.headers import Headers
from gateway.middleware import Middleware
from gateway.plugin import Context
from gateway.transforming import confirm_tag, describe_anew

# What is small already, or compressed within, is not among them.
TYPES = [
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "image/svg+xml",
]
TYPE = re.compile(r"[a-z0-9.+*-]+/[a-z0-9.+*-]+")


class CompressOptions(Section, frozen=True):
    """types: media types that gain by it, `*` standing for any letters.
    min_size: a body known to be smaller is left as it is.
    level: of the coding's own scale, a higher one is smaller and slower.
    """

    types: list[str] = msgspec.field(default_factory=lambda: list(TYPES))
    min_size: Size = 1024
    level: Annotated[int, msgspec.Meta(ge=1, le=9)] = 4

    def __post_init__(self) -> None:
        for kind in self.types:
            if TYPE.fullmatch(kind) is None:
                raise ValueError(f"types: {kind!r} is not a media type such as text/*")


class Compress(Middleware[CompressOptions]):
    """zstd, br or gzip by Accept-Encoding; never what is encoded already (RFC 9110, 8.4)."""

    Options = CompressOptions
    transforms_answer = True

    def __init__(self, options: CompressOptions, context: Context) -> None:
        super().__init__(options, context)
        self._gains: Callable[[str], bool] = lru_cache(256)(_matcher(options.types))

    def request(self, exchange: Exchange) -> None:
        """What the client takes; one further down may hide it from the endpoint."""
        exchange.notes[self] = ", ".join(exchange.headers.getall("accept-encoding"))

    def response(self, exchange: Exchange) -> None:
        answer = exchange.answer
        headers = answer.headers
        if answer.status == 304:
            confirm_tag(exchange)
        kind = headers.get("content-type")
        if (
            kind is None
            or "content-encoding" in headers
            or not self._gains(kind[:256])
            or answer.status in (206, 416)
            or "content-range" in headers
            or _forbidden(headers)
        ):
            return
        length = answer.length
        if length is not None and length < self.options.min_size and not answer.fixed:
            return
        _vary(headers)
        coding = acceptable(exchange.notes[self])
        if coding is None or answer.fixed or exchange.transform is not None:
            return
        exchange.transform = CompressedBody(coding, self.options.level, at_once=length is None)
        headers.set("Content-Encoding", coding)
        describe_anew(headers)


def _matcher(types: list[str]) -> Callable[[str], bool]:
    any_of = "|".join(re.escape(kind).replace(r"\*", "[^/]*") for kind in types)
    pattern = re.compile(any_of)
    return lambda kind: pattern.fullmatch(kind.partition(";")[0].strip().lower()) is not None


def _forbidden(headers: Headers) -> bool:
    """RFC 9111, 5.2.2.6."""
    return any("no-transform" in value.lower() for value in headers.getall("cache-control"))


def _vary(headers: Headers) -> None:
    said = ",".join(headers.getall("vary")).lower()
    if not {"*", "accept-encoding"} & {name.strip() for name in said.split(",")}:
        headers.add("Vary", "Accept-Encoding")
