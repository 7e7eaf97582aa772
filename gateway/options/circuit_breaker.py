"""What `circuit_breaker` takes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway.config.model import Section
from gateway.config.units import Duration, Ratio


class CircuitBreakerOptions(Section, frozen=True):
    """The circuit opens when at least `error_ratio` of the answers within `window` are failures
    and there are at least `min_requests` of them. It refuses everything for `open_for`, then
    lets up to `probes` requests through at a time: it closes when as many have succeeded, and
    opens again as soon as one has failed.
    """

    error_ratio: Ratio = 0.5
    min_requests: Annotated[int, msgspec.Meta(ge=1)] = 20
    window: Annotated[Duration, msgspec.Meta(gt=0)] = 10.0
    open_for: Annotated[Duration, msgspec.Meta(gt=0)] = 10.0
    probes: Annotated[int, msgspec.Meta(ge=1)] = 1
