"""Writes configuration files and tells what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from gateway.config import ConfigErrors, Resolved, load, read, resolve
from gateway.loader import middleware_class, plugin_class

MINIMAL = """\
version: 1
upstreams:
  users: {targets: [{url: "http://127.0.0.1:9000"}]}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(dedent(text))
    return path


def resolved(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Resolved:
    return resolve(read(written(folder, text), environment or {}), middleware_class, plugin_class)


def mistakes(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """`line:column: path: message` for each mistake that `load` finds."""
    path = written(folder, text)
    try:
        load(path, environment or {})
    except ConfigErrors as errors:
        return _without_file(path, errors)
    return []


def all_mistakes(
    folder: Path, text: str, environment: Mapping[str, str] | None = None
) -> list[str]:
    """The same, with what `resolve` finds."""
    try:
        resolved(folder, text, environment)
    except ConfigErrors as errors:
        return _without_file(folder / "gateway.yaml", errors)
    return []


def _without_file(path: Path, errors: ConfigErrors) -> list[str]:
    lines = str(errors).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def place(text: str, token: str) -> str:
    """`line:column` of where `token` stands last in `text`."""
    before = text[: text.rindex(token)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
