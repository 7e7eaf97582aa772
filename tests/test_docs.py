"""The documentation says what is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
import yaml

from gateway.config import Config, read, resolve
from gateway.loader import MIDDLEWARES, middleware_class, plugin_class

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "config").rglob("*.yaml"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    return [line for line in lines if line.startswith("ait-gateway ")]


def as_table(block: str) -> str:
    """A whole table is as it is; middlewares alone get a route that they guard."""
    if block.startswith("version:"):
        return block
    names = ", ".join(re.findall(r"^  (\w+):", block, re.MULTILINE))
    route = f"{{id: all, match: {{path: /**}}, middlewares: [{names}], respond: {{}}}}"
    return f"version: 1\n{block}routes:\n  - {route}\n"


def check(file: Path) -> None:
    """What `ait-gateway check` does. Raises ConfigErrors."""
    resolve(read(file), middleware_class, plugin_class)


class TestATable:
    @pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
    def test_that_ships_passes_its_check(self, file: Path) -> None:
        check(file)

    @pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.split()[1].strip(":"))
    def test_in_the_readme_passes_its_check(self, block: str, tmp_path: Path) -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text(as_table(block))
        check(file)

    def test_ships_for_every_example_class(self) -> None:
        used = "".join(file.read_text() for file in EXAMPLES)
        for file in (ROOT / "config" / "examples").glob("*.py"):
            assert f'"./{file.name}:' in used


class TestTheReadme:
    def test_names_every_key_of_the_route_table_and_no_other(self) -> None:
        assert set(rows("## The route table")) == set(keys_of(Config))

    def test_says_the_route_tables_defaults(self) -> None:
        written = rows("## The route table")
        wrong = {key for key, field in keys_of(Config).items() if not agrees(written[key], field)}
        assert wrong == set()

    @pytest.mark.parametrize("name", MIDDLEWARES.bundled())
    def test_says_a_middlewares_defaults(self, name: str) -> None:
        written = rows(f"#### {name}")
        fields = msgspec.structs.fields(middleware_class(name, ROOT).Options)
        assert set(written) == {field.name for field in fields}
        assert [field.name for field in fields if not agrees(written[field.name], field)] == []

    def test_shows_classes_that_load(self, tmp_path: Path) -> None:
        plugin, middleware = blocks("python")
        (tmp_path / "hello.py").write_text(plugin)
        (tmp_path / "no_bots.py").write_text(middleware)
        assert plugin_class("./hello.py", tmp_path).__name__ == "Hello"
        assert middleware_class("./no_bots.py", tmp_path).__name__ == "NoBots"

    def test_shows_make_targets_that_exist(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
            assert f"\n{target}: " in makefile

    @pytest.mark.parametrize("line", commands())
    def test_shows_commands_that_work(self, line: str) -> None:
        arguments = shlex.split(line, comments=True)[1:]
        if arguments[0] == "serve":
            arguments.append("--help")
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout

    def test_links_to_files_that_exist(self) -> None:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
            assert (ROOT / link).exists(), link


def rows(heading: str) -> dict[str, str]:
    """Key -> what its row says of the default, from the tables below a heading."""
    section = README.split(f"\n{heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*?) ?\|", section, re.MULTILINE))


def agrees(written: str, field: msgspec.structs.FieldInfo) -> bool:
    """Whether the row's default is the field's. Prose stands for what has no value to show."""
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if not written.startswith("`"):
        if field.required:
            return written == "required"
        return isinstance(default, msgspec.Struct) or (not default and written != "required")
    value = yaml.safe_load(written.strip("`"))
    extra = msgspec.inspect.type_info(field.type)
    if isinstance(extra, msgspec.inspect.Metadata) and isinstance(value, str):
        value = extra.extra["parse"](value)
    return bool(value == default)


def keys_of(kind: Any, at: str = "") -> dict[str, msgspec.structs.FieldInfo]:
    """`a.b`, `a.*.b` under a mapping of names, `a[].b` in a list: the keys with no keys below."""
    keys = {}
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        path = f"{at}.{field.encode_name}" if at else field.encode_name
        below: dict[str, msgspec.structs.FieldInfo] = {}
        for struct, where in structs_in(hints[field.name], path):
            below |= keys_of(struct, where)
        if not below or takes_a_scalar(hints[field.name]):
            keys[f"{path}.*" if path == "backends" else path] = field
        keys |= below
    return {key: field for key, field in keys.items() if field.name != "options"}


def takes_a_scalar(hint: Any) -> bool:
    return get_origin(hint) is list and get_origin(get_args(hint)[0]) is types.UnionType


def structs_in(hint: Any, at: str) -> Iterator[tuple[Any, str]]:
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint, at
    elif origin is list:
        yield from structs_in(inner[0], f"{at}[]")
    elif origin is dict:
        yield from structs_in(inner[1], f"{at}.*")
    elif origin is types.UnionType:
        for each in inner:
            yield from structs_in(each, at)
