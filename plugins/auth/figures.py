"""What the plugin counts. Labels are bounded: no name or address of anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.telemetry.metrics import Metrics
from plugins.auth.accounts.errors import (
    AccountError,
    LockedOut,
    Overloaded,
    Unverified,
    WrongPassword,
)

OUTCOMES: dict[type[AccountError], str] = {
    WrongPassword: "wrong",
    LockedOut: "locked_out",
    Overloaded: "overloaded",
    Unverified: "unverified",
}
STEPS = {"login.html": "first", "code.html": "second", "provider": "provider"}
REFERENCES = frozenset({"pwd", "otp", "kba", "hwk", "swk", "fed", "mfa", "rba"})
"""Of RFC 8176, as sessions have them; others are counted as `other`."""
WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Figures:
    """plugin: its name in the file, the first label of each family but those that are watched."""

    def __init__(self, metrics: Metrics, plugin: str) -> None:
        self._metrics = metrics
        self._plugin = plugin
        self._tokens = metrics.counter(
            "gateway_auth_token_requests_total",
            "Requests for tokens",
            ("plugin", "grant", "outcome"),
        )
        self._logins = metrics.counter(
            "gateway_auth_logins_total",
            "Steps of log-ins, by how somebody got in or which step was refused",
            ("plugin", "method", "outcome"),
        )
        self._locked = metrics.counter(
            "gateway_auth_lock_outs_total", "Log-ins refused as there were too many", ("plugin",)
        ).labels(plugin)
        self._ended = metrics.counter(
            "gateway_auth_sessions_ended_total", "Sessions that were ended", ("plugin",)
        ).labels(plugin)
        self._mails = metrics.counter(
            "gateway_auth_mails_total", "Letters, by what became of them", ("plugin", "outcome")
        )
        self._lookups = metrics.counter(
            "gateway_auth_cache_lookups_total",
            "Look-ups that a worker's memory had no answer to, by who had",
            ("plugin", "source"),
        )
        self._waited = metrics.histogram(
            "gateway_auth_hash_wait_seconds",
            "How long passwords waited for a thread",
            ("plugin",),
            WAITS,
        ).labels(plugin)

    def token(self, grant: str, outcome: str) -> None:
        self._tokens.labels(self._plugin, grant, outcome).inc()

    def logged_in(self, amr: Sequence[str]) -> None:
        method = "+".join(amr) if len(amr) < 4 and REFERENCES.issuperset(amr) else "other"
        self._logins.labels(self._plugin, method, "logged_in").inc()

    def refused(self, template: str, error: AccountError | str) -> None:
        """template: of the form that is shown once more, or `provider` for one that proved
        nothing; those of no log-in do not count."""
        if template in STEPS:
            outcome = "wrong" if isinstance(error, str) else OUTCOMES.get(type(error), "other")
            self._logins.labels(self._plugin, STEPS[template], outcome).inc()

    def locked_out(self) -> None:
        self._locked.inc()

    async def ended(self, connection: AsyncConnection, sessions: Sequence[str]) -> None:
        self._ended.inc(len(sessions))

    def mailed(self, outcome: str) -> None:
        """outcome: `sent`, `later` or `given_up`."""
        self._mails.labels(self._plugin, outcome).inc()

    def looked_up(self, cached: bool) -> None:
        self._lookups.labels(self._plugin, "keyvalue" if cached else "sql").inc()

    def waited(self, seconds: float) -> None:
        self._waited.observe(seconds)

    def watch(self, under_way: Callable[[], float], outbox: Callable[[], float]) -> None:
        name = (self._plugin,)
        self._metrics.watch_each(
            "gateway_auth_hash_queue_depth",
            "Passwords that are checked or wait for it",
            ("plugin",),
            lambda: {name: under_way()},
        )
        self._metrics.watch_each(
            "gateway_auth_outbox_letters",
            "Letters that are still to be sent, as the process that sends them counted",
            ("plugin",),
            lambda: {name: outbox()},
        )
