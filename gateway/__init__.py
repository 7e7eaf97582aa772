"""What authors of plugins and middlewares import."""

from gateway.errors import GatewayError, Problem, Response
from gateway.exchange import Exchange, Identity
from gateway.middleware import Middleware, NoOptions
from gateway.plugin import Context, Migrations, Plugin

__all__ = [
    "Context",
    "Exchange",
    "GatewayError",
    "Identity",
    "Middleware",
    "Migrations",
    "NoOptions",
    "Plugin",
    "Problem",
    "Response",
]
