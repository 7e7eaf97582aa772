"""CONTRACT: what the admin listener may ask of a running gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.plugin import HealthCheck
from gateway.telemetry.metrics import Metrics


class AdminView(Protocol):
    """**Protocol:** asked on the event loop's thread. Secrets never belong in an answer."""

    @property
    def metrics(self) -> Metrics: ...

    def live(self) -> bool:
        """Whether the process does its work. True while it drains."""

    def draining(self) -> bool:
        """Whether it takes leave, so that nobody should send new requests."""

    def checks(self) -> Mapping[str, HealthCheck]:
        """By a name that tells the plugin, such as `auth.sql`. Run side by side, bounded."""

    def routes(self) -> Sequence[Any]:
        """The compiled table in order of precedence; anything that msgspec can write."""

    def explain(self, method: str, url: str, headers: Sequence[tuple[str, str]]) -> Any:
        """Which route such a request takes and why. ValueError when it is no request."""

    async def reload(self) -> Sequence[str]:
        """Read the file again and take it, or answer every error and change nothing."""
