from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backends.jobs import Jobs, NewJob
from backends.jobs.cron import Cron, Schedule
from tests.backends.jobs.opening import opening
from tests.conformance.jobs import until

BERLIN = ZoneInfo("Europe/Berlin")


def plain(at: datetime) -> NewJob:
    return NewJob("q", "n", at.isoformat())


def schedule(expression: str, zone: str = "UTC", late: float = 60.0) -> Schedule:
    return Schedule("nightly", expression, "q", plain, zone=zone, late=late)


def moment(*parts: int, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime(*parts, tzinfo=zone, fold=fold).timestamp()  # type: ignore[arg-type,misc]  # ints


def times(kept: Schedule, since: float, until_: float) -> list[datetime]:
    found = []
    while (since := kept.after(since)) <= until_:
        found.append(datetime.fromtimestamp(since, UTC))
    return found


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[Jobs]:
    async with opening(f"sqlite:///{tmp_path}/jobs.db") as opened:
        yield opened()


class TestFireTimes:
    def test_are_of_the_zone(self) -> None:
        at = times(schedule("0 9 * * *", "Asia/Tokyo"), 0, 2 * 86400)
        assert at == [datetime(1970, 1, day, 0, 0, tzinfo=UTC) for day in (2, 3)][: len(at)]

    def test_skipped_by_the_clock_come_when_it_is_put_forward(self) -> None:
        """2026-03-29, Berlin: from 02:00 to 03:00."""
        start = moment(2026, 3, 28, 12)
        at = times(schedule("30 2 * * *", "Europe/Berlin"), start, start + 2 * 86400)
        assert at[0] == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
        assert at[1] == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)

    def test_that_come_twice_fire_once(self) -> None:
        """2026-10-25, Berlin: from 03:00 back to 02:00."""
        start = moment(2026, 10, 24, 12)
        at = times(schedule("30 2 * * *", "Europe/Berlin"), start, start + 86400)
        assert at == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]

    @pytest.mark.parametrize("day", [moment(2026, 3, 28, 12), moment(2026, 10, 24, 12)])
    @pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "15 */3 * * *"])
    def test_are_the_same_whenever_a_process_began(self, day: float, expression: str) -> None:
        kept = schedule(expression, "Europe/Berlin")
        end = day + 36 * 3600
        whole = times(kept, day, end)
        for start in range(0, 36 * 3600, 2437):
            begun = day + start
            assert times(kept, begun, end) == [at for at in whole if at.timestamp() > begun]

    def test_that_are_too_late_are_left_out(self) -> None:
        kept = schedule("0 3 * * *", late=60.0)
        three = moment(2026, 1, 2, 3, zone=ZoneInfo("UTC"))
        assert kept.due(three - 86400, three - 1) is None
        assert kept.due(three - 86400, three) == three
        assert kept.due(three - 86400, three + 59) == three
        assert kept.due(three - 86400, three + 61) is None
        assert kept.due(three, three + 59) is None

    def test_of_those_missed_the_last_one_fires(self) -> None:
        kept = schedule("* * * * *", late=3600.0)
        noon = moment(2026, 1, 2, 12, zone=ZoneInfo("UTC"))
        assert kept.due(noon - 7200, noon + 30) == noon

    @pytest.mark.parametrize(
        ("expression", "zone", "late"),
        [
            ("", "UTC", 60.0),
            ("61 * * * *", "UTC", 60.0),
            ("* * * *", "UTC", 60.0),
            ("0 0 31 2 *", "UTC", 60.0),
            ("* * * * *", "Mars/Base", 60.0),
            ("* * * * *", "../etc/passwd", 60.0),
            ("* * * * *", "UTC", 0.0),
        ],
    )
    def test_that_make_no_sense_are_refused(self, expression: str, zone: str, late: float) -> None:
        with pytest.raises(ValueError, match=r"."):
            schedule(expression, zone, late)


class TestCron:
    async def run_for_one(self, jobs: Jobs, kept: list[Schedule]) -> None:
        cron = asyncio.create_task(Cron(jobs, kept).run())

        async def fired() -> bool:
            return (await jobs.stats("q")).ready > 0

        await until(fired)
        cron.cancel()
        await asyncio.wait([cron])

    async def test_fires_what_was_missed_while_nobody_ran(self, jobs: Jobs) -> None:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        await jobs.fire("nightly", (hour - timedelta(hours=1)).timestamp(), plain(hour))
        (first,) = (await jobs.claim("q", "w", 10, 30)).jobs
        await self.run_for_one(jobs, [schedule("0 * * * *", late=7200.0)])
        (job,) = (await jobs.claim("q", "w", 10, 30)).jobs
        assert job.payload == hour.isoformat()
        assert job.id != first.id

    async def test_does_not_fire_for_the_time_before_it_was_there(self, jobs: Jobs) -> None:
        cron = asyncio.create_task(Cron(jobs, [schedule("0 * * * *", late=7200.0)]).run())
        await asyncio.sleep(0.3)
        cron.cancel()
        await asyncio.wait([cron])
        assert (await jobs.stats("q")).ready == 0 or time.gmtime().tm_min == 0

    async def test_goes_on_when_one_schedule_fails(self, jobs: Jobs) -> None:
        def broken(at: datetime) -> NewJob:
            raise LookupError(at)

        kept = [
            Schedule("broken", "* * * * * *", "q", broken),
            Schedule("elsewhere", "* * * * * *", "another", plain),
            Schedule("works", "* * * * * *", "q", plain),
        ]
        await self.run_for_one(jobs, kept)
        assert await jobs.last_fired("q", "broken") is None
        assert await jobs.last_fired("another", "elsewhere") is None
