"""One read of a blob, checked as it goes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from backends.blobs.blob import Blob, Corrupt
from backends.blobs.parts import in_thread
from backends.errors import Conflict


class Reading:
    """Chunks of a blob, to be iterated once.

    start and end: the first byte and the one after the last, of `blob`. The last chunk is given
    only when all is there, and, of a whole blob whose sha256 is known, when all is as it was
    stored: who has seen the end has seen the blob. Else the iteration raises Corrupt; or Conflict,
    when `changed`, of an engine that is asked for each chunk anew, says that it is another now.
    """

    def __init__(
        self,
        blob: Blob,
        start: int,
        end: int,
        chunks: AsyncIterator[bytes],
        changed: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.blob = blob
        self.start = start
        self.end = end
        self._chunks = chunks
        self._changed = changed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = (self.start, self.end) == (0, self.blob.size)
        promised = self.blob.sha256 if whole else None
        digest = hashlib.sha256()
        held = b""
        left = self.end - self.start
        async for chunk in self._chunks:
            if not chunk:
                continue
            left -= len(chunk)
            if held:
                yield held
            held = chunk
            if promised is not None:
                await in_thread(digest.update, chunk)
        if left or (promised is not None and digest.hexdigest() != promised):
            if self._changed is not None and await self._changed():
                raise Conflict("blobs: the blob has changed while it was read")
            raise Corrupt("blobs: what is stored is not what was put")
        if held:
            yield held

    async def read(self) -> bytes:
        """All of it at once: for whoever has looked at `end - start`. Raises as iterating does."""
        return b"".join([chunk async for chunk in self])
