"""What `rate_limit` takes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gateway.attributes import compile_attribute
from gateway.config.model import Section
from gateway.config.units import RateOf


class RateLimitOptions(Section, frozen=True):
    """rate: how many requests pass in the long run (`30/s`, `100/m`), evenly spaced.
    burst: how many may pass at once, the whole of it and not on top of one: with `rate: 30/s,
    burst: 10` ten do, and then one every 1/30 s. Without it the rate's count (30 for `30/s`).
    key: who is counted, an attribute of the request (gateway/attributes.py). A request that
    has no such attribute is counted by its client's address.
    scope: `worker` counts in this process, `shared` in `backends.limits`.
    on_error: when that engine is away, `open` lets requests pass, `closed` answers 503.

    Buckets belong to the middleware's name: routes that name one middleware share them, unless
    the key is `route`.
    """

    rate: RateOf
    burst: Annotated[int, msgspec.Meta(ge=1)] | None = None
    key: str = "ip"
    scope: Literal["worker", "shared"] = "worker"
    on_error: Literal["open", "closed"] = "open"

    def __post_init__(self) -> None:
        try:
            compile_attribute(self.key)
        except ValueError as error:
            raise ValueError(f"key: {error}") from None
