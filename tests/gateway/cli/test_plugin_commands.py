"""`ait-gateway PLUGIN COMMAND`, for a plugin of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main

FILE = "version: 1\nplugins: {greeter: {use: ./greeter.py:Greeter}}\nroutes: []\n"
PLUGIN = """
import argparse
from gateway import Plugin
from gateway.plugin import Command

class Greeter(Plugin):
    def commands(self):
        async def greet(options: argparse.Namespace) -> None:
            print("hello", options.name)

        def arguments(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("name")

        return {"greet": Command("Greets somebody.", arguments, greet)}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "greeter.py").write_text(PLUGIN)
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    return str(path)


@pytest.mark.parametrize(
    "words",
    [
        ("greeter", "greet", "ada", "-c", "FILE"),
        ("greeter", "greet", "-c", "FILE", "ada"),
        ("greeter", "-c", "FILE", "greet", "ada"),
    ],
)
def test_the_file_may_be_named_before_or_after_the_command(
    words: tuple[str, ...], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([config if word == "FILE" else word for word in words]) == 0
    assert capsys.readouterr().out == "hello ada\n"


def test_help_names_the_commands(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["greeter", "-c", config, "-h"])
    assert "Greets somebody." in capsys.readouterr().out
