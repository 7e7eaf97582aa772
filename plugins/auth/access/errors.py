"""Why something about roles, organisations or keys cannot be. No message holds a secret."""

from __future__ import annotations

from gateway.errors import GatewayError


class AccessError(GatewayError):
    """What was asked for cannot be."""


class Missing(AccessError):
    """There is no such role, group, scope, principal, organisation or member."""


class Taken(AccessError):
    """There is one of that name."""


class TooMany(AccessError):
    """There are as many as there may be."""


class LastOwner(AccessError):
    """An organisation has an owner, always."""


class BuiltIn(AccessError):
    """The role `admin` stays as it is, so that nobody locks all out."""
