"""A worker as a process of its own: `python -m tests.backends.jobs.worker_process URL QUEUE FILE`.

Each job that it runs adds its payload to the file.
"""

from __future__ import annotations

import asyncio
import os
import sys

from backends.jobs import DRIVERS
from backends.jobs.running import Running
from backends.jobs.worker import Worker


async def work(url: str, queue: str, file: str) -> None:
    ran = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handler(job: Running) -> None:
        await asyncio.sleep(0.005)
        os.write(ran, b"%d\n" % job.payload)
        await asyncio.sleep(0.005)

    jobs = DRIVERS.open(url)
    await Worker(jobs, queue, {"n": handler}, concurrency=50, lease=1.5).run()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
