from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.__main__ import CommandError, main, refuse_strangers
from tests.gateway.config.files import written

GOOD = """\
version: 1
middlewares: {small: {use: body_limit, max: 1KiB}}
routes:
  - {id: ping, match: {path: /ping, methods: [GET]}, respond: {}, middlewares: [small]}
"""
BAD = "version: 2\nroute: []\n"
PROGRAM = [sys.executable, "-m", "gateway"]


@pytest.fixture
def good(tmp_path: Path) -> str:
    return str(written(tmp_path, GOOD))


def test_check_sums_a_good_file_up(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", good]) == 0
    out, err = capsys.readouterr()
    assert out == f"{good}: 1 route, 0 upstreams, 1 middleware, 0 plugins\n"
    assert err == ""


def test_check_tells_every_mistake_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, BAD)
    assert main(["check", "-c", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"{path}:1:10: version: expected 1, got 2\n"
        f"{path}:2:1: route: unknown key 'route', did you mean 'routes'?\n"
    )


@pytest.mark.parametrize("command", [["routes"], ["explain", "GET", "/"], ["serve"]])
def test_no_command_goes_on_with_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "-c", str(written(tmp_path, BAD))]) == 2
    assert "did you mean 'routes'?" in capsys.readouterr().err


def test_routes_are_shown_for_people_and_for_programs(
    good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "-c", good]) == 0
    assert "ping  *      GET      /ping  small        respond 200" in capsys.readouterr().out
    assert main(["routes", "--json", "-c", good]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "id": "ping",
            "hosts": [],
            "methods": ["GET"],
            "path": "/ping",
            "headers": {},
            "query": {},
            "middlewares": ["small"],
            "endpoint": {"kind": "respond", "name": "200"},
        }
    ]


def test_explain_is_successful_when_a_route_is_found(
    good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "get", "/ping", "-c", good, "-H", "X-A: b"]) == 0
    assert capsys.readouterr().out.startswith("route        ping\n")
    assert main(["explain", "POST", "/ping", "-c", good, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["route"], found["status"], found["allow"]) == (None, 405, ["GET", "HEAD"])


@pytest.mark.parametrize("wrong", [["/", "-H", "none"], ["/", "-H", ": x"], ["ping"]])
def test_explain_refuses_what_is_no_request(
    good: str, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert main(["explain", "GET", *wrong, "-c", good]) == 2
    assert capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "ait-gateway"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ait-gateway ")


@pytest.mark.parametrize("arguments", [[], ["sreve"], ["explain", "GET"], ["check", "--watch"]])
def test_a_command_line_that_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ait-gateway" in capsys.readouterr().err


def test_without_c_the_usual_files_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIT_GATEWAY_CONFIG", raising=False)
    assert main(["check"]) == 2
    assert "looked for $AIT_GATEWAY_CONFIG, ./gateway.yaml" in capsys.readouterr().err

    def checked(file: str) -> bool:
        assert main(["check"]) == 0
        return capsys.readouterr().out.startswith(f"{file}: ")

    (tmp_path / "config").mkdir()
    for file in ("config/gateway.yaml", "gateway.yaml", "other.yaml"):
        (tmp_path / file).write_text("version: 1\n")
        if file == "other.yaml":
            monkeypatch.setenv("AIT_GATEWAY_CONFIG", file)
        assert checked(file)


@pytest.mark.parametrize("package", ["gateway", "plugins", "backends"])
def test_a_package_of_ours_that_another_distribution_owns_too_stops_the_start(
    package: str,
) -> None:
    refuse_strangers({})
    refuse_strangers({package: ["ait-gateway", "ait-gateway"]})
    refuse_strangers({package: ["AIT_Gateway"]})
    with pytest.raises(CommandError, match=f"^stranger also installs the package '{package}'"):
        refuse_strangers({package: ["ait-gateway", "stranger"]})


def test_an_installed_stranger_is_noticed(tmp_path: Path, good: str) -> None:
    stranger = tmp_path / "site" / "stranger-1.0.dist-info"
    stranger.mkdir(parents=True)
    (stranger / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (stranger / "top_level.txt").write_text("plugins\n")
    ended = run(["check", "-c", good], PYTHONPATH=str(stranger.parent))
    assert ended.returncode == 2
    assert ended.stderr.startswith("stranger also installs the package 'plugins'")


def test_a_closed_pipe_is_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*PROGRAM, "schema"], stdout=writer, stderr=subprocess.PIPE, timeout=30
        )
    finally:
        os.close(writer)
    assert ended.stderr == b""
    assert ended.returncode == 0


def test_ctrl_c_is_silent(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        # In short waits: a signal that comes right before a long one would be seen at its end.
        "import time\nprint('here', flush=True)\nfor _ in range(600): time.sleep(0.05)\n"
    )
    path = written(tmp_path, "version: 1\nmiddlewares: {slow: {use: ./slow.py:Slow}}\n")
    with subprocess.Popen(
        [*PROGRAM, "check", "-c", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background job, as this may be part of, ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (out, err) == (b"", b"")
    assert process.returncode == 130


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environment},
    )
