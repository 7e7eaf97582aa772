"""CONTRACT: what the admin listener may ask of a running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Question(msgspec.Struct, frozen=True):
    """A request to be explained. Nobody verifies it: `ip` is its client's address and `identity`
    who it is, as the guard's kind and the subject (`jwt:ann`); both may be empty."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    ip: str = ""
    identity: str = ""


class Page(Protocol):
    """**Protocol:** the numbers, for Prometheus to read."""

    async def stream(self, accept: str) -> tuple[AsyncIterator[bytes], str]:
        """The page a piece at a time, and its content type, as the `Accept` header asks."""


class AdminView(Protocol):
    """**Protocol:** asked on the event loop's thread. Secrets never belong in an answer.

    What waits raises Refusal (admin/guard.py) when nobody can answer.
    """

    @property
    def metrics(self) -> Page: ...

    def live(self) -> bool:
        """Whether the process does its work. True while it drains."""

    def draining(self) -> bool:
        """Whether it takes leave, so that nobody should send new requests."""

    async def checks(self) -> Mapping[str, str | None]:
        """Why each check fails, None where it does not; by a name such as `auth.sql`.

        Never raises, takes a second or two at most.
        """

    async def routes(self) -> Any:
        """The compiled table in order of precedence; anything that msgspec can write."""

    async def explain(self, question: Question) -> Any:
        """Which route such a request takes and why. ValueError when it is no request."""

    async def reload(self) -> Sequence[str]:
        """Read the file again and take it, or answer every error and change nothing."""
