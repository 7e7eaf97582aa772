from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from backends.errors import BackendError, BackendUnavailable
from backends.limits import DRIVERS, Decision
from backends.limits.shm import FEWEST_SLOTS, STRIPES, ShmLimits
from tests.backends.limits.taking import elapsed, takers, together
from tests.backends.limits.test_memory import Clock
from tests.conformance.limits import HOUR, LimitsContract, Wait
from tests.e2e.gateway_process import ROOT

HOLDS_THE_LOCK_FOR_EVER = """
import sys, time
from backends.limits.shm import FEWEST_SLOTS, ShmLimits
def clock():  # asked while the lock is held
    print("holding", flush=True)
    time.sleep(3600)
ShmLimits(sys.argv[1], FEWEST_SLOTS, clock).take("key", 1, 3600.0, 1)
"""

FORKS = """
import asyncio, os, sys
from backends.limits import DRIVERS
limits = DRIVERS.open("shm:///" + sys.argv[1])
told, tell = os.pipe()
child = os.fork()
if not child:
    os.read(told, 1)
    print(limits.take("key", 1, 3600.0, 2).remaining, DRIVERS.open("shm:///" + sys.argv[1])
          .take("key", 1, 3600.0, 2).remaining, flush=True)
    os._exit(0)
asyncio.run(limits.close())
os.write(tell, b"x")
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def url(shm_name: str) -> str:
    return f"shm:///{shm_name}?slots={FEWEST_SLOTS}"


@pytest.fixture
async def limits(url: str) -> AsyncIterator[ShmLimits]:
    limits = DRIVERS.open(url)
    assert isinstance(limits, ShmLimits)
    yield limits
    await limits.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(shm_name: str, clock: Clock) -> AsyncIterator[ShmLimits]:
    clock.now = 1e9  # later than any machine has been up
    limits = ShmLimits(shm_name, FEWEST_SLOTS, clock)
    yield limits
    await limits.close()


class TestShmLimits(LimitsContract):
    @pytest.fixture
    def wait(self) -> Wait:
        return asyncio.sleep


def test_answers_at_once(limits: ShmLimits) -> None:
    assert limits.take("key", 1, 1.0, 1) == Decision(True, 0, 1.0, 0.0)
    assert limits.shared


def test_long_saturation_does_not_drift(timed: ShmLimits, clock: Clock) -> None:
    start, passed = clock.now, 0
    for step in range(1, 100_001):
        clock.now = start + step / 1000
        passed += timed.take("key", 333, 1.0, 5).allowed
    assert passed == 5 + int(99.999 * 333)


def test_more_than_a_million_each_second_is_still_exact(timed: ShmLimits) -> None:
    allowed = [timed.take("key", 10_000_000, 1.0, 3).allowed for _ in range(5)]
    assert allowed == [True, True, True, False, False]


def counted(limits: ShmLimits, key: str) -> bool:
    try:
        return limits.take(key, 1, HOUR, 1).allowed
    except BackendUnavailable:
        return False


class TestProcesses:
    def test_pass_exactly_the_burst_together(self, url: str) -> None:
        with takers(url, (1, HOUR, 1000), "500", key="key", many=8) as eight:
            assert sum(taken.passed for taken in together(eight)) == 1000

    def test_pass_exactly_the_rate_together(self, url: str) -> None:
        with takers(url, (500, 1.0, 500), "1.5s", key="key", many=8) as eight:
            taken = together(eight)
        least, most = (500 + int(seconds * 500) for seconds in elapsed(taken))
        assert least * 0.98 <= sum(each.passed for each in taken) <= most

    def test_killed_in_the_middle_harm_no_other(self, url: str, limits: ShmLimits) -> None:
        for _ in range(3):
            with takers(url, (1, HOUR, 10_000_000), "60s", key="key", many=4) as four:
                for taker in four:
                    taker.begin()
                for taker in four:
                    for _ in range(1000):
                        assert limits.take("key", 1, HOUR, 10_000_000).allowed
                    taker.process.send_signal(signal.SIGKILL)
                    taker.process.wait()
        assert limits.take("key", 1, HOUR, 10_000_000).allowed

    def test_killed_with_the_lock_leave_it_to_the_next(
        self, shm_name: str, limits: ShmLimits
    ) -> None:
        with holding(shm_name) as holder:
            holder.kill()
            holder.wait()
            assert limits.take("key", 1, HOUR, 1).allowed
            assert not limits.take("key", 1, HOUR, 1).allowed

    def test_that_hold_the_lock_and_do_not_run_are_not_waited_for(
        self, shm_name: str, limits: ShmLimits
    ) -> None:
        with holding(shm_name) as holder:
            holder.send_signal(signal.SIGSTOP)
            for _ in range(3):
                with pytest.raises(BackendUnavailable, match="does not run"):
                    limits.take("key", 1, HOUR, 1)
            others = [counted(limits, f"other {number}") for number in range(100)]
            assert sum(others) > 80
            holder.kill()
            holder.wait()
        assert limits.take("key", 1, HOUR, 1).allowed

    def test_that_are_forked_stay_attached_when_the_parent_closes(self, shm_name: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", FORKS, shm_name], capture_output=True, text=True, cwd=ROOT
        )
        assert (done.stdout.split(), done.stderr) == (["1", "0"], "")


class holding:  # noqa: N801 - reads as a function
    """A process that holds the lock of `key`."""

    def __init__(self, shm_name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDS_THE_LOCK_FOR_EVER, shm_name],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"holding\n"
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


class TestAFullTable:
    def fill(self, limits: ShmLimits) -> None:
        """With keys that count for a minute."""
        for number in range(FEWEST_SLOTS * 4):
            limits.take(f"live {number}", 1, 60.0, 1)

    def passed(self, limits: ShmLimits, newcomers: int) -> int:
        numbers = range(newcomers)
        return sum(limits.take(f"new {number}", 1, 60.0, 1).allowed for number in numbers)

    def test_lets_newcomers_share_a_bucket(self, timed: ShmLimits) -> None:
        self.fill(timed)
        assert self.passed(timed, 5_000) == 0

    def test_is_told_of_once_a_minute(
        self, timed: ShmLimits, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.passed(timed, FEWEST_SLOTS // 4)
        assert caplog.messages == []
        self.fill(timed)
        assert self.passed(timed, 5_000) == 0
        assert caplog.messages == [
            "limits: the shared memory is full, newcomers are counted together: more than "
            f"{FEWEST_SLOTS} slots are needed"
        ]

    def test_keeps_those_that_it_knows(self, timed: ShmLimits, clock: Clock) -> None:
        first = [timed.take(f"first {number}", 1, 60.0, 1) for number in range(100)]
        assert all(decision.allowed for decision in first)
        self.fill(timed)
        clock.now += 59
        assert not any(timed.take(f"first {number}", 1, 60.0, 1).allowed for number in range(100))

    def test_has_room_again_when_those_no_longer_count(
        self, timed: ShmLimits, clock: Clock
    ) -> None:
        self.fill(timed)
        clock.now += 61
        assert self.passed(timed, FEWEST_SLOTS) > FEWEST_SLOTS * 0.8

    def test_is_far_away_when_half_of_it_is_in_use(self, timed: ShmLimits) -> None:
        assert self.passed(timed, FEWEST_SLOTS // 4) == FEWEST_SLOTS // 4

    def test_never_lets_more_pass_than_there_are_slots(self, timed: ShmLimits) -> None:
        assert self.passed(timed, FEWEST_SLOTS * 3) <= FEWEST_SLOTS + STRIPES


async def test_a_closed_one_refuses_to_count(shm_name: str) -> None:
    limits = DRIVERS.open(f"shm:///{shm_name}")
    await limits.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        limits.take("key", 1, 1.0, 1)


async def test_a_url_without_a_name_has_a_table_too() -> None:
    limits = DRIVERS.open("shm://")
    assert isinstance(limits, ShmLimits)
    await limits.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("shm://host/name", "shm:///name"),
        ("shm://[", "shm:///name"),
        ("shm:///a/b", "shm:///name"),
        ("shm:///..", "shm:///name"),
        ("shm:///a?slots=many", "slots is a number from 4096"),
        ("shm:///a?slots=100", "slots is a number from 4096"),
        ("shm:///a?slots=99999999999", "slots is a number from 4096"),
        ("shm:///a?slot=4096", "no option but slots"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        DRIVERS.open(url)
