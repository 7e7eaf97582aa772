"""What can go wrong between a person and a provider. No message holds what either has sent."""

from __future__ import annotations

from gateway.errors import GatewayError


class ProviderError(GatewayError):
    """The message is for the operator's log."""


class Unreachable(ProviderError):
    """It does not answer, or not so that it can be understood."""


class Untrusted(ProviderError):
    """It answered, and the answer proves nothing."""


class Declined(ProviderError):
    """The person said no there, or the provider did."""
