"""The tokens that were verified lately, so that the next request costs one look-up."""

from __future__ import annotations

from collections.abc import Collection

from gateway.jose.verify import Verified

ENTRIES = 10_000
BYTES = 16 * 1024 * 1024


class Believed:
    """Bounded memory of Authorization lines, in two halves.

    What is asked for moves to the recent half; when that is full it becomes the older half
    and the one before it is forgotten. So a hit costs one dict look-up, and nothing is sorted.
    """

    def __init__(self, entries: int = ENTRIES, room: int = BYTES) -> None:
        self.recent: dict[bytes, Verified] = {}
        self._older: dict[bytes, Verified] = {}
        self._entries = entries // 2
        self._room = room // 2
        self._size = 0

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)

    def add(self, line: bytes, verified: Verified) -> None:
        if len(self.recent) >= self._entries or self._size >= self._room:
            self._older = self.recent.copy()
            self.recent.clear()
            self._size = 0
        self.recent[line] = verified
        self._size += len(line)

    def recall(self, line: bytes) -> Verified | None:
        """From the older half, to be added again by who believes it still."""
        return self._older.pop(line, None)

    def keep_only(self, marks: Collection[str]) -> None:
        """Forget what was signed by any other key."""
        for half in (self.recent, self._older):
            gone = [line for line, verified in half.items() if verified.mark not in marks]
            for line in gone:
                del half[line]
