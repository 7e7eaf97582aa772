"""The tokens that were verified lately, so that the next request costs one look-up."""

from __future__ import annotations

from collections.abc import Collection

from gateway.jose.verify import Verified

ENTRIES = 10_000
CHARACTERS = 16 * 1024 * 1024


class Believed:
    """Bounded memory of Authorization values, in two halves.

    What is asked for moves to the recent half; when that is full it becomes the older half
    and the one before it is forgotten. So a hit costs one dict look-up, and nothing is sorted.
    """

    def __init__(self, entries: int = ENTRIES, characters: int = CHARACTERS) -> None:
        self.recent: dict[str, Verified] = {}
        self._older: dict[str, Verified] = {}
        self._entries = entries // 2
        self._characters = characters // 2
        self._size = 0

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)

    def add(self, field: str, verified: Verified) -> None:
        if len(self.recent) >= self._entries or self._size >= self._characters:
            self._older = self.recent.copy()
            self.recent.clear()
            self._size = 0
        self.recent[field] = verified
        self._size += len(field)

    def recall(self, field: str) -> Verified | None:
        """From the older half, to be added again by who believes it still."""
        return self._older.pop(field, None)

    def keep_only(self, marks: Collection[str]) -> None:
        """Forget what was signed by any other key."""
        for half in (self.recent, self._older):
            gone = [field for field, verified in half.items() if verified.mark not in marks]
            for field in gone:
                del half[field]
