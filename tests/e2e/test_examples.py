"""The example plugin and middleware do what their files say, and so does an installed one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.rawhttp import Client, request
from tests.e2e.site import Site

ROOT = Path(__file__).parents[2]
HOST = "examples.test"


def install(source: Path, folder: Path) -> None:
    """Into the gateway's working directory, which `python -m` puts on its path."""
    copy = shutil.copytree(source, folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    done = subprocess.run([*pip, *offline, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    examples = ROOT / "config" / "examples"
    for name in ("status.py", "stamp.py"):
        shutil.copy(examples / name, new_site.folder)
    new_site.plugins["status"] = {"use": "./status.py:Status", "service": "orders"}
    new_site.plugins["full"] = {"use": "./status.py", "service": "x", "min_free": 10**17}
    new_site.middlewares["stamp"] = {
        "use": "./stamp.py:Stamp",
        "name": "app",
        "reason_for_changes": True,
    }
    install(ROOT / "tests/fixtures/third_party", new_site.folder)
    new_site.plugins["geo"] = {"use": "geo", "country": "DE"}
    new_site.middlewares["country"] = {"use": "country"}
    new_site.route("geo", "/where", plugin="geo", middlewares=["country"])
    guarded = {"plugin": "status", "strip_prefix": "/status", "middlewares": ["stamp"]}
    new_site.route("status", "/status/**", **guarded)
    return new_site.start()


def test_the_status_plugin_says_how_the_service_is(client: Client) -> None:
    status = client.get("/status/", HOST).json()
    assert status["service"] == "orders"
    assert status["notices"] == {}
    assert client.get("/status/me", HOST).json() == {"subject": None}


def test_a_plugins_check_makes_the_gateway_unready(site: Site) -> None:
    answer = site.gateway.admin("/readyz")
    assert answer.status == 503
    assert "full.disk" in answer.body.decode()
    assert "status.disk" not in str(answer.json()["failing"])


def test_the_stamp_is_on_every_answer(client: Client) -> None:
    stamp = client.get("/status/", HOST).value("server-timing")
    assert stamp is not None
    assert stamp.startswith(b"app;dur=")


def test_a_change_needs_a_reason(client: Client) -> None:
    client.send(request("POST", "/status/", HOST))
    answer = client.answer()
    assert answer.status == 400
    assert answer.json()["detail"] == "a change needs an X-Reason header"
    client.send(request("POST", "/status/", HOST, "X-Reason: a test"))
    assert client.answer().status == 405


def test_an_installed_plugin_and_middleware_serve_by_their_names(client: Client) -> None:
    answer = client.get("/where", HOST)
    assert answer.json() == {"country": "DE"}
    assert answer.value("x-country") == b"AT"
