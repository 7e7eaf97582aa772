"""The seam to a plugin in process that knows API keys."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from gateway.exchange import Identity


@runtime_checkable
class ApiKeySource(Protocol):
    """**Protocol:** what a plugin's `offers()` has for its keys to be taken by `api_key`."""

    def known_key(self, key: bytes, digest: bytes) -> Identity | bool:
        """From memory, and never waits: whose it is, False for a key that is none, True for one
        that is to be looked up. digest: the SHA-256 of the key."""

    async def find_key(self, digest: bytes) -> Identity | None:
        """Looked up where keys are kept. Raises BackendError."""
