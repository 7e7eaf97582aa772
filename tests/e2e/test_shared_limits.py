"""One limit over several workers and several gateways: exactly as many pass as it says."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path

import pytest

from backends.limits.segment import FOLDER
from tests.backends.limits.redis_server import RedisServer
from tests.e2e.rawhttp import DEADLINE
from tests.e2e.site import Site

CLIENTS = 8
BURST = 200
FIXED, RATED = "fixed.test", "rated.test"
"""Hosts of a limit that gives nothing back while a test takes, and of one that does."""
PAUSE = 0.05
RECONNECT_AFTER = 10
"""Requests on a connection, so that the kernel spreads the clients over all workers."""


def limited(folder: Path, url: str, rate: str, burst: int, workers: int = 1) -> Site:
    folder.mkdir(exist_ok=True)
    site = Site(folder)
    site.server["workers"] = workers
    site.backends["limits"] = url
    for host, limit in ((FIXED, ("1/h", BURST)), (RATED, (rate, burst))):
        name = host.partition(".")[0]
        common = {"use": "rate_limit", "key": "route", "scope": "shared", "on_error": "closed"}
        site.middlewares[name] = {**common, "rate": limit[0], "burst": limit[1]}
        site.route(name, hosts=[host], middlewares=[name], respond={})
    return site


class Clients:
    """CLIENTS of them, each with a gateway in turn. `statuses` counts the answers of all.

    stood_still: seconds of pauses in which nobody was answered: a busy machine lets nobody ask,
    and what the limit would have let pass meanwhile is lost.
    """

    def __init__(self, sites: Sequence[Site], host: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.elapsed = 0.0
        self.stood_still = 0.0
        self._host = host
        self._sites = list(islice(cycle(sites), CLIENTS))
        self._lock = threading.Lock()
        self._answered: list[float] = []

    def ask(self, *, times: int = 0, seconds: float = 0.0) -> Counter[int]:
        """So many requests each, or for so long."""
        began = time.monotonic()
        until = began + seconds
        threads = [
            threading.Thread(target=self._run, args=(site, times, until)) for site in self._sites
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        self.elapsed = time.monotonic() - began
        pauses = [after - before for before, after in pairwise([began, *self._answered])]
        self.stood_still = sum(pause for pause in pauses if pause > PAUSE)
        return self.statuses

    def _run(self, site: Site, times: int, until: float) -> None:
        seen: Counter[int] = Counter()
        while seen.total() < times or time.monotonic() < until:
            client = site.gateway.connect(keep=False)
            for _ in range(RECONNECT_AFTER):
                seen[client.get("/", self._host).status] += 1
                self._answered.append(time.monotonic())
            client.close()
        with self._lock:
            self.statuses += seen


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("workers")
    name = f"test-{os.getpid()}-{folder.name}"[:64]
    site = limited(folder, f"shm:///{name}", "100/s", 20, workers=4)
    try:
        yield site.start()
    finally:
        site.close()
    assert not (FOLDER / f"ait-gateway.{os.geteuid()}.{name}").exists()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def three(url: str, folder: Path) -> Iterator[list[Site]]:
    sites = [limited(folder / str(number), url, "200/s", 100) for number in range(3)]
    try:
        for site in sites:
            site.start()
        yield sites
    finally:
        for site in sites:
            site.close()


@pytest.fixture(scope="module")
def gateways(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    yield from three(f"{redis.url}?timeout=5s", tmp_path_factory.mktemp("gateways"))


@pytest.fixture(scope="module")
def leasing(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    yield from three(f"{redis.url[:-1]}1?timeout=5s&lease=20", tmp_path_factory.mktemp("leasing"))


def test_eight_clients_of_four_workers_on_shared_memory(workers: Site) -> None:
    assert Clients([workers], FIXED).ask(times=50) == {200: BURST, 429: 8 * 50 - BURST}
    seen = workers.gateway.admin(f"/explain?url=http://{FIXED}/").json()
    others = [each["states"]["fixed"] for each in seen["others"]]
    states = [seen["middlewares"][0]["state"], *others]
    assert [(state["allowed"], state["remaining"]) for state in states] == [(False, 0)] * 4
    refused = 'gateway_rate_limited_total{middleware="fixed",route="fixed"}'
    assert workers.gateway.metric(refused) == 8 * 50 - BURST


def test_a_rate_over_four_workers(workers: Site) -> None:
    clients = Clients([workers], RATED)
    statuses = clients.ask(seconds=2.0)
    assert set(statuses) == {200, 429}
    least = 20 + 100 * (2.0 - clients.stood_still) * 0.98
    assert least <= statuses[200] <= 20 + 100 * clients.elapsed


def test_eight_clients_of_three_gateways_on_one_redis(gateways: list[Site]) -> None:
    assert Clients(gateways, FIXED).ask(times=50) == {200: BURST, 429: 8 * 50 - BURST}


def test_a_lease_gives_back_what_it_does_not_use(leasing: list[Site]) -> None:
    """Leases end after a second: by then, all that the limit allows has passed, and no more."""
    assert Clients(leasing, FIXED).ask(seconds=2.5)[200] == BURST


def test_with_a_lease_a_rate_is_kept_within_two_percent(leasing: list[Site]) -> None:
    clients = Clients(leasing, RATED)
    statuses = clients.ask(seconds=4.0)
    assert set(statuses) == {200, 429}
    least, most = 100 + 200 * (4.0 - clients.stood_still), 100 + 200 * clients.elapsed
    assert 0.98 * least <= statuses[200] <= 1.02 * most
