"""An upstream: its targets, which of them are fit to be asked, and the balance between them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.config.model import HashBy
from gateway.config.model import Upstream as UpstreamConfig
from gateway.upstream.balance import Asked, Balance, LeastRequests, RandomTwo, RoundRobin
from gateway.upstream.consistent_hash import ConsistentHash
from gateway.upstream.retry import Budget, RetryPolicy
from gateway.upstream.target import Target, settings_of, tls_context
from gateway.wheel import Wheel

if TYPE_CHECKING:
    from gateway.telemetry.metrics import Metrics

log = logging.getLogger("gateway.upstream")

BALANCES: dict[str, type[RoundRobin | LeastRequests | RandomTwo]] = {
    "round_robin": RoundRobin,
    "least_requests": LeastRequests,
    "random_two": RandomTwo,
}


class Candidate(msgspec.Struct, frozen=True):
    """What `explain` says of a target. share: what it has of its weight now."""

    url: str
    weight: int
    share: float
    healthy: bool
    why: str
    in_flight: int
    idle: int
    requests: int


class Choice(msgspec.Struct, frozen=True):
    """What `explain` says of an upstream. next: the URL of the target that would be asked now;
    None when chance decides, or when none is fit. panic: unfit ones are asked as well."""

    balance: str
    panic: bool
    next: str | None
    candidates: Sequence[Candidate]


class Upstream:
    """A group of targets. Construct without side effects -> start() -> retire().

    only: the target to ask when there is nothing to choose, else None. fit: those to choose
    from: the healthy ones with a weight, or all with a weight when too few are healthy.
    previous: the upstream of that name in the table before; what has not changed is kept.
    retried: how many of the requests to its targets were retries, which pay for no others.
    """

    def __init__(
        self,
        name: str,
        config: UpstreamConfig,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        metrics: Metrics,
        *,
        previous: Upstream | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.loop = loop
        self.wheel = wheel
        kept = {target.settings: target for target in previous.targets} if previous else {}
        settings = [settings_of(each.url, config) for each in config.targets]
        fresh = any(
            each.url.startswith("https:") and known not in kept
            for each, known in zip(config.targets, settings, strict=True)
        )
        context = tls_context(config.tls) if fresh else None
        self.targets: list[Target] = [
            kept.pop(known) if known in kept else Target(each, config, context, loop, wheel)
            for each, known in zip(config.targets, settings, strict=True)
        ]
        same = previous is not None and previous.config.retries == config.retries
        self.retry: RetryPolicy = (
            previous.retry
            if previous is not None and same
            else RetryPolicy(config.retries, Budget(config.retries.budget, loop.time()))
        )
        self.retried: int = previous.retried if previous is not None else 0
        self.passive = config.health.passive if len(self.targets) > 1 else None
        self.fit: list[Target] = []
        self.only: Target | None = None
        self.panic = False
        self._balance = self._new_balance()
        self._retries = metrics.counter(
            "gateway_upstream_retries_total", "Requests sent again.", ["upstream", "reason"]
        )
        self._unpaid = metrics.counter(
            "gateway_upstream_retry_budget_exhausted_total",
            "Failures not tried again because too many were.",
            ["upstream"],
        )
        self._ejections = metrics.counter(
            "gateway_upstream_ejections_total",
            "Times a target was left out because requests to it failed.",
            ["upstream", "target"],
        )
        self._started = False
        self._weigh()

    def start(self) -> None:
        """It is in the table in force: targets that were kept take over its configuration."""
        if self._started:
            return
        self._started = True
        for target, config in zip(self.targets, self.config.targets, strict=True):
            target.adapt(config.weight, self.config)
            target.health.watchers.append(self._weigh)
        self._balance = self._new_balance()
        self._weigh()

    def retire(self, kept: Collection[Target] = ()) -> None:
        """No longer in the table. Connections to targets that are not kept end when idle."""
        for target in self.targets:
            if target not in kept:
                target.retire()
            elif self._weigh in target.health.watchers:
                target.health.watchers.remove(self._weigh)

    # From the proxy

    def choose(self, asked: Asked, tried: Collection[Target] = ()) -> Target | None:
        """The next target; rather none of those that were tried. None when none is fit."""
        if self.only is not None:
            return self.only
        if not self.fit:
            return None
        return self._balance.other(asked, tried) if tried else self._balance.pick(asked)

    def has_other(self, tried: Collection[Target]) -> bool:
        """Whether a target is fit that was not yet tried."""
        return any(target not in tried for target in self.fit)

    def may_retry(self, cause: str) -> bool:
        """Pay for a retry. Of those that cost nothing there is no end."""
        requests = sum(target.requests for target in self.targets) - self.retried
        if self.retry.pays(cause, requests, self.loop.time()):
            self.retried += 1
            self._retries.labels(self.name, cause).inc()
            return True
        self._unpaid.labels(self.name).inc()
        return False

    def blame(self, target: Target, cause: str) -> None:
        """A request to it failed. Too many failures, and it is left out for a while."""
        passive = self.passive
        if passive is None or cause not in passive.on:
            return
        now = self.loop.time()
        if target.health.failed(now, target.requests) and self._can_spare(target):
            why = f"{passive.failures} failures within {passive.window:g} s, the last one: {cause}"
            seconds = target.health.eject(now, why)
            self._ejections.labels(self.name, target.url).inc()
            log.warning(
                "upstream %s: %s is left out for %g s: %s", self.name, target.url, seconds, why
            )

    # From the active checks

    def judge(self, url: str, healthy: bool, why: str) -> None:
        """Their verdict on a target. One that is not here is nobody's business."""
        for target in self.targets:
            if target.url != url:
                continue
            target.reachable = target.reachable or healthy
            if target.health.judge(healthy, why, self.loop.time()):
                level = logging.INFO if healthy else logging.WARNING
                word = "healthy" if healthy else "unhealthy"
                log.log(level, "upstream %s: %s is %s: %s", self.name, url, word, why)

    # From explain and metrics

    def healthy(self) -> dict[str, bool]:
        """By URL: whether checks, ejections and the last connection attempt say so."""
        return {target.url: target.health.good and target.reachable for target in self.targets}

    def explain(self, asked: Asked) -> Choice:
        """What `choose` would do with such a request now. Changes nothing."""
        following = self.only
        if following is None and self.fit:
            following = self._balance.peek(asked)
        name = str(self.config.balance)
        url = following.url if following is not None else None
        return Choice(name, self.panic, url, [_candidate(each) for each in self.targets])

    def _new_balance(self) -> Balance:
        balance = self.config.balance
        if isinstance(balance, HashBy):
            return ConsistentHash(balance.consistent_hash, self.targets)
        return BALANCES[balance]()

    def _weigh(self) -> None:
        """Health or shares have changed: who is fit now?"""
        able = [target for target in self.targets if target.weight]
        well = [target for target in able if target.health.good]
        panic = len(well) < len(able) * self.config.health.panic
        if panic is not self.panic:
            self.panic = panic
            log.warning(
                "upstream %s: %d of %d targets are healthy, %s",
                self.name,
                len(well),
                len(able),
                "so all are asked" if panic else "and only those are asked",
            )
        self.fit = able if panic else well
        self.only = self.fit[0] if len(self.fit) == 1 else None
        if self.fit:
            self._balance.use(self.fit)

    def _can_spare(self, target: Target) -> bool:
        """Whether enough are left without it. The last one is never left out."""
        able = [each for each in self.targets if each.weight]
        left = sum(each.health.good for each in able if each is not target)
        return left >= max(1.0, len(able) * self.config.health.panic)


def _candidate(target: Target) -> Candidate:
    health = target.health
    return Candidate(
        url=target.url,
        weight=target.weight,
        share=health.share,
        healthy=health.good,
        why="" if health.good else health.why,
        in_flight=target.in_flight,
        idle=len(target.idle),
        requests=target.requests,
    )
