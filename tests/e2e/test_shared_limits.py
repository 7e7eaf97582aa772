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
HOST = "limited.test"
PAUSE = 0.05
RECONNECT_AFTER = 10
"""Requests on a connection, so that the kernel spreads the clients over all workers."""


def limited(folder: Path, url: str, rate: str, burst: int, workers: int = 1) -> Site:
    folder.mkdir(exist_ok=True)
    site = Site(folder)
    site.server["workers"] = workers
    site.backends["limits"] = url
    limit = {"use": "rate_limit", "rate": rate, "burst": burst, "key": "route"}
    site.middlewares["all"] = {**limit, "scope": "shared", "on_error": "closed"}
    site.route("limited", hosts=[HOST], middlewares=["all"], respond={})
    return site


class Clients:
    """CLIENTS of them, each with a gateway in turn. `statuses` counts the answers of all.

    stood_still: seconds of pauses in which nobody was answered: a busy machine lets nobody ask,
    and what the limit would have let pass meanwhile is lost.
    """

    def __init__(self, sites: Sequence[Site]) -> None:
        self.statuses: Counter[int] = Counter()
        self.elapsed = 0.0
        self.stood_still = 0.0
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
                seen[client.get("/", HOST).status] += 1
                self._answered.append(time.monotonic())
            client.close()
        with self._lock:
            self.statuses += seen


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Site]:
    name = f"test-{os.getpid()}-{tmp_path.name}"[:64]
    site = limited(tmp_path, f"shm:///{name}", "1/h", BURST, workers=4)
    yield site
    site.close()
    assert not (FOLDER / f"ait-gateway.{os.geteuid()}.{name}").exists()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def gateways(
    request: pytest.FixtureRequest, redis: RedisServer, tmp_path: Path
) -> Iterator[list[Site]]:
    """Three on one Redis, by the parameters of the test: its options, the rate and the burst."""
    options, rate, burst = request.param
    url = f"{redis.url}?timeout=5s{options}"
    sites = [limited(tmp_path / str(number), url, rate, burst) for number in range(3)]
    try:
        for site in sites:
            site.start()
        yield sites
    finally:
        for site in sites:
            site.close()


def test_eight_clients_of_four_workers_on_shared_memory(workers: Site) -> None:
    workers.start()
    assert Clients([workers]).ask(times=50) == {200: BURST, 429: 8 * 50 - BURST}
    seen = workers.gateway.admin(f"/explain?url=http://{HOST}/").json()
    states = [seen["middlewares"][0]["state"], *(each["states"]["all"] for each in seen["others"])]
    assert [(state["allowed"], state["remaining"]) for state in states] == [(False, 0)] * 4
    refused = 'gateway_rate_limited_total{middleware="all",route="limited"}'
    assert workers.gateway.metric(refused) == 8 * 50 - BURST


def test_a_rate_over_four_workers(workers: Site) -> None:
    workers.middlewares["all"] |= {"rate": "100/s", "burst": 20}
    clients = Clients([workers.start()])
    statuses = clients.ask(seconds=2.0)
    assert set(statuses) == {200, 429}
    least = 20 + 100 * (2.0 - clients.stood_still) * 0.98
    assert least <= statuses[200] <= 20 + 100 * clients.elapsed


@pytest.mark.parametrize("gateways", [("", "1/h", BURST)], indirect=True)
def test_eight_clients_of_three_gateways_on_one_redis(gateways: list[Site]) -> None:
    assert Clients(gateways).ask(times=50) == {200: BURST, 429: 8 * 50 - BURST}


@pytest.mark.parametrize("gateways", [("&lease=20", "1/h", BURST)], indirect=True)
def test_a_lease_gives_back_what_it_does_not_use(gateways: list[Site]) -> None:
    """Leases end after a second: by then, all that the limit allows has passed, and no more."""
    assert Clients(gateways).ask(seconds=2.5)[200] == BURST


@pytest.mark.parametrize("gateways", [("&lease=20", "200/s", 100)], indirect=True)
def test_with_a_lease_a_rate_is_kept_within_two_percent(gateways: list[Site]) -> None:
    clients = Clients(gateways)
    statuses = clients.ask(seconds=4.0)
    assert set(statuses) == {200, 429}
    least, most = 100 + 200 * (4.0 - clients.stood_still), 100 + 200 * clients.elapsed
    assert 0.98 * least <= statuses[200] <= 1.02 * most
