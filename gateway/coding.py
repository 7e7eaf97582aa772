"""Content codings: which one a client takes (RFC 9110, 12.5.3), and bodies brought into it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

with suppress(ImportError):
    import brotli
with suppress(ImportError):
    import zstandard

WINDOW_BITS = 18
"""log2 of the bytes a stream looks back on, so that many streams stay small."""
LONGEST = 512
"""Characters of Accept-Encoding that are read; who says more than that gets plain bodies."""


class Stream(NamedTuple):
    """One body on its way through a coding. flush: what is held back so far."""

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    end: Callable[[], bytes]


def _gzip(level: int) -> Stream:
    stream = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return Stream(stream.compress, lambda: stream.flush(zlib.Z_SYNC_FLUSH), stream.flush)


def _br(level: int) -> Stream:
    stream = brotli.Compressor(quality=level, lgwin=WINDOW_BITS)
    return Stream(stream.process, stream.flush, stream.finish)


def _zstd(level: int) -> Stream:
    settings = zstandard.ZstdCompressionParameters.from_level(level, window_log=WINDOW_BITS)
    stream = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return Stream(stream.compress, lambda: stream.flush(flush), stream.flush)


ALL: dict[str, tuple[str, Callable[[int], Stream]]] = {
    "zstd": ("zstandard", _zstd),
    "br": ("brotli", _br),
    "gzip": ("zlib", _gzip),
}
CODINGS = {coding: stream for coding, (module, stream) in ALL.items() if module in globals()}
"""What there is, the best one first: the extra `compress` brings all but gzip."""


class CompressedBody:
    """A body in a coding. at_once: nothing that was fed is held back for what may follow."""

    __slots__ = ("_at_once", "_stream")

    def __init__(self, coding: str, level: int, at_once: bool) -> None:
        self._stream = CODINGS[coding](level)
        self._at_once = at_once

    def feed(self, data: bytes) -> bytes:
        out = self._stream.compress(data)
        return out + self._stream.flush() if self._at_once else out

    def end(self) -> bytes:
        return self._stream.end()


@lru_cache(256)
def acceptable(accepted: str) -> str | None:
    """The coding for a client that sent this Accept-Encoding; None when plain is best.

    The client's weights decide, then the order of CODINGS. Plain bodies are never refused.
    """
    weights = {} if len(accepted) > LONGEST else dict(map(_weighed, accepted.split(",")))
    others = weights.get("*", 0.0)
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])
    best, best_weight = None, weights.get("identity", 0.0)
    for coding in CODINGS:
        weight = weights.get(coding, others)
        if weight and (weight > best_weight or (best is None and weight == best_weight)):
            best, best_weight = coding, weight
    return best


def _weighed(item: str) -> tuple[str, float]:
    name, _, parameter = item.lower().partition(";")
    key, _, value = parameter.strip().partition("=")
    if not parameter:
        weight = 1.0
    elif key.strip() == "q":
        weight = _weight(value.strip())
    else:
        weight = 0.0
    return name.strip(), weight


def _weight(text: str) -> float:
    """RFC 9110, 12.4.2; 0 for what is no weight."""
    whole, _, digits = text.partition(".")
    if whole not in ("0", "1") or len(digits) > 3 or (digits and not digits.isdecimal()):
        return 0.0
    return min(float(text), 1.0)
