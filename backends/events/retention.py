"""How much a log keeps."""

from __future__ import annotations

import msgspec

from backends.address import Address, seconds, size
from backends.errors import BackendError


class Retention(msgspec.Struct, frozen=True):
    """age: seconds."""

    age: float
    events: int
    bytes: int

    @classmethod
    def of(cls, address: Address, age: str, events: int, bytes_: str) -> Retention:
        """Raises BackendError."""
        try:
            kept = cls(seconds(age), events, size(bytes_))
        except ValueError:
            kept = cls(0, 0, 0)
        if not (kept.age > 0 and kept.events > 0 and kept.bytes > 0):
            raise BackendError(
                f"{address.capability}: max_age is a duration as 7d, max_events a number, "
                "max_bytes a size as 256MiB"
            )
        return kept
