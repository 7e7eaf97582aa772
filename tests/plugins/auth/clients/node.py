"""A script for Node.js with openid-client, which talks with the test line by line."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.engines.installed import installed
from tests.missing_engine import missing

LONGEST = 30.0


class Script:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def said(self) -> Any:
        """The next line, as JSON; what went wrong, if the script has ended."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async with asyncio.timeout(LONGEST):
            line = await self._process.stdout.readline()
            if not line:
                raise AssertionError((await self._process.stderr.read()).decode())
        return json.loads(line)

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def script(name: str, told: dict[str, Any]) -> AsyncIterator[Script]:
    """name: of a file beside this one. told: its second argument; the first is the library."""
    node = shutil.which("node") or missing("there is no node, which openid-client runs on")
    library = installed("openid-client/node_modules/openid-client/build/index.js")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(node, str(Path(__file__).with_name(name)), str(library), json.dumps(told)),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
