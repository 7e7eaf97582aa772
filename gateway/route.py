"""A route as the data plane uses it: everything looked up and folded at load time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.chain import Chain
from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.telemetry.metrics import RouteMetrics


class Endpoint(Protocol):
    """**Protocol:** where a request ends. `begin` is called when every guard let it pass.

    It answers by `listener.respond`, or becomes the listener's peer and answers in its time.
    """

    def begin(self, listener: Listener, exchange: Exchange) -> None: ...


@dataclass(slots=True)
class Route:
    """Times in seconds, sizes in bytes. `endpoint_name` is the upstream's or plugin's name."""

    id: str
    chain: Chain
    endpoint: Endpoint
    endpoint_name: str
    request_timeout: float
    idle_timeout: float
    body_limit: int
    metrics: RouteMetrics
    params_of: Callable[[tuple[bytes, ...]], dict[str, str]]
