"""Bodies cut anew."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def parts(body: bytes | AsyncIterable[bytes], size: int) -> AsyncIterator[tuple[bytes, bool]]:
    """Each part with whether it is the last: all of `size` bytes but the last, which may be empty.

    Holds one part and what the body gave last.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        whole = memoryview(body)
        for at in range(0, max(len(whole), 1), size):
            yield bytes(whole[at : at + size]), at + size >= len(whole)
        return
    held = bytearray()
    async for chunk in body:
        held += chunk
        while len(held) > size:
            part = bytes(held[:size])
            del held[:size]
            yield part, False
    yield bytes(held), True
