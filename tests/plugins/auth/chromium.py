"""Debian's Chromium without a window, driven by its DevTools protocol over a websocket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.missing_engine import missing

PATIENCE = 60.0
SWITCHES = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-sandbox",  # of a container's root, who has no other
    "--disable-gpu",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--lang=en-US",
)


class Tab:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = json.loads(await self._socket.receive_str())
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def js(self, expression: str) -> Any:
        """Its value; None while the page is being changed."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                if await self.js(expression):
                    return
                await asyncio.sleep(0.05)

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href === {url!r}")

    async def at(self, path: str) -> None:
        """Waits until the page is there, and its scripts have run."""
        await self.until(f"document.readyState === 'complete' && location.pathname === {path!r}")

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            chosen = f"document.querySelector('main input[name={name}]:not([type=hidden])')"
            await self.js(f"{chosen}.value = {json.dumps(value)}")

    async def press(self, button: str) -> None:
        """By what it says, once it is shown."""
        found = (
            "[...document.querySelectorAll('main button')].find((each) => "
            f"each.textContent === {json.dumps(button)} && each.offsetParent)"
        )
        await self.until(f"!!{found}")
        await self.call("Runtime.evaluate", expression=f"{found}.click()", userGesture=True)


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return found or missing("chromium is not there: make services, or apt-get install chromium")


@asynccontextmanager
async def tab(folder: Path) -> AsyncIterator[Tab]:
    profile = folder / "chromium"
    process = await asyncio.create_subprocess_exec(
        chromium(),
        *SWITCHES,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                found = Tab(socket)
                await found.call("Page.enable")
                yield found
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _port(noted: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE):
        while True:
            if port := _read(noted):
                return int(port)
            assert process.returncode is None, "chromium ended at once"
            await asyncio.sleep(0.05)


def _read(noted: Path) -> str:
    """Empty until it is written whole."""
    text = noted.read_text() if noted.exists() else ""
    return text.partition("\n")[0] if "\n" in text else ""
