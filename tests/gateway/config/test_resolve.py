from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigErrors, load
from gateway.errors import GatewayError
from gateway.middlewares.jwt import Jwt
from tests.gateway.config.files import MINIMAL, all_mistakes, resolved, written

PARTS = """
from typing import Literal

import msgspec

from gateway.config.units import Duration, RateOf, Size
from gateway.middleware import Middleware, NoOptions
from gateway.plugin import Plugin


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    wait: Duration = 1.0


class StampOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: list[Step]
    rate: RateOf | None = None
    size: Size = 0
    mode: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError(f"no steps in mode {self.mode}")


class Stamp(Middleware[StampOptions]):
    Options = StampOptions


class Geo(Plugin[NoOptions]):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts.py").write_text(PARTS)
    return tmp_path


def test_classes_are_found_and_options_decoded(folder: Path) -> None:
    found = resolved(
        folder,
        """\
        version: 1
        plugins: {geo: {use: ./parts.py:Geo}}
        middlewares:
          stamp: {use: "./parts.py:Stamp", steps: [{name: a, wait: 2s}], rate: 5/s, mode: off}
        """,
    )
    assert found.folder == folder
    assert list(found.plugins) == ["geo"]
    stamp = found.middlewares["stamp"]
    assert stamp.kind.__name__ == "Stamp"
    assert stamp.options.steps[0].wait == 2  # type: ignore[attr-defined]  # a type made by this test
    assert stamp.options.rate == (5, 1)  # type: ignore[attr-defined]  # a type made by this test


def test_mistakes_of_the_file_its_classes_and_their_options_are_shown_at_once(
    folder: Path,
) -> None:
    text = """\
    version: 1
    plugins:
      geo: {use: ./parts.py:Goe}
      auth: {use: ./nowhere.py}
    middlewares:
      a: {use: "./parts.py:Stamp", steps: [{nme: a}], rate: 5, md: on}
      b: {use: "./parts.py:Stamp"}
      c: {use: "./parts.py:Stamp", steps: [], mode: off}
      d: {use: 5}
      e: {us: jwt}
      f: jwt
      g: {use: jtw}
    routes:
      - {id: a, match: {path: /a}, upstream: nowhere}
    """
    found = all_mistakes(folder, text)
    assert [each.split(": ")[:2] for each in found] == [
        ["3:14", "plugins.geo.use"],
        ["4:15", "plugins.auth.use"],
        ["6:40", "middlewares.a.steps[0]"],
        ["6:41", "middlewares.a.steps[0].nme"],
        ["6:57", "middlewares.a.rate"],
        ["6:60", "middlewares.a.md"],
        ["7:6", "middlewares.b"],
        ["8:6", "middlewares.c"],
        ["9:12", "middlewares.d.use"],
        ["10:6", "middlewares.e"],
        ["11:6", "middlewares.f"],
        ["12:12", "middlewares.g.use"],
        ["14:42", "routes[0].upstream"],
    ]
    assert "did you mean 'Geo'?" in found[0]
    assert "did you mean 'name'?" in found[3]
    assert "no steps in mode off" in found[7]
    assert "did you mean 'jwt'?" in found[11]


def test_options_that_refuse_themselves_do_not_show_what_was_substituted(folder: Path) -> None:
    text = """\
    version: 1
    middlewares:
      a: {use: "./parts.py:Stamp", steps: [], mode: "${MODE}"}
      b: {use: "${CLASS}"}
    """
    found = all_mistakes(folder, text, {"MODE": "off", "CLASS": "hunter2"})
    assert len(found) == 2
    assert found[0] == "3:6: middlewares.a: no steps in mode ***"
    assert "hunter2" not in found[1]


def test_an_entry_is_equal_to_itself_until_something_in_it_changes(folder: Path) -> None:
    def stamp(options: str, environment: dict[str, str] | None = None) -> object:
        text = f"version: 1\nmiddlewares:\n  x: {{use: './parts.py:Stamp', {options}}}"
        return resolved(folder, text, environment).middlewares["x"]

    one = stamp("steps: [{name: a}], size: 1KiB")
    assert one == stamp("size: 1KiB,   steps: [{name: 'a'}]")
    assert one != stamp("steps: [{name: b}], size: 1KiB")
    assert stamp("steps: [{name: '${X}'}]", {"X": "1"}) != stamp(
        "steps: [{name: '${X}'}]", {"X": "2"}
    )
    (folder / "parts.py").write_text(PARTS + "\nEDITED = True\n")
    assert one != stamp("steps: [{name: a}], size: 1KiB")


def test_bundled_middlewares_are_known_by_name(tmp_path: Path) -> None:
    found = resolved(tmp_path, 'version: 1\nmiddlewares: {a: {use: jwt, issuer: "https://i"}}')
    assert found.middlewares["a"].kind is Jwt


def test_what_came_from_outside_is_known_and_not_in_the_repr(tmp_path: Path) -> None:
    text = MINIMAL + "routes: [{id: a, match: {path: /, headers: {x: 'a${X}'}}, upstream: users}]"
    found = resolved(tmp_path, text, {"X": "hunter2"})
    assert found.secrets == {"hunter2", "ahunter2"}
    assert "frozenset" not in repr(found)


def test_errors_are_sorted_and_each_is_told_once(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1\na: 1\nserver: {b: 1}\n")
    with pytest.raises(ConfigErrors) as caught:
        load(path)
    assert isinstance(caught.value, GatewayError)
    assert [(each.line, each.column, each.path) for each in caught.value.errors] == [
        (2, 1, "a"),
        (3, 10, "server.b"),
    ]
    assert str(caught.value).splitlines() == [str(each) for each in caught.value.errors]
    assert caught.value.errors[0].file == str(path)


NEEDING = """
from gateway.plugin import Plugin


class Live(Plugin):
    needs = ("events",)


class Store(Plugin):
    needs = ("documents",)


class Odd(Plugin):
    needs = ("sqk",)
"""


@pytest.mark.parametrize(
    ("server", "backends", "kind", "said"),
    [
        ("workers: 2", "", "Live", "memory:// reaches only one of several workers"),
        ("workers: 1", "", "Store", "needs backends.documents, which has no default"),
        ("workers: 1", "", "Odd", "needs a backend 'sqk', and there is no such capability"),
        ("workers: 1", "", "Live", None),
        ("workers: 2", 'events: "sqlite:///log.db"', "Live", None),
    ],
)
def test_a_plugin_gets_the_engines_it_needs_or_the_file_is_wrong(
    tmp_path: Path, server: str, backends: str, kind: str, said: str | None
) -> None:
    (tmp_path / "needing.py").write_text(NEEDING)
    text = (
        f"{MINIMAL}\nserver: {{{server}}}\nbackends: {{{backends}}}\n"
        f'plugins: {{it: {{use: "./needing.py:{kind}"}}}}\n'
    )
    if said is None:
        assert resolved(tmp_path, text).plugins["it"].kind.needs == ("events",)
    else:
        assert [said in mistake for mistake in all_mistakes(tmp_path, text)] == [True]


def test_a_file_of_keys_has_to_be_there(tmp_path: Path) -> None:
    text = """\
        version: 1
        middlewares:
          one: {use: jwt, jwks: ./keys.json}
          two: {use: jwt, jwks: "https://keys.example/jwks"}
        routes: []
        """
    assert all_mistakes(tmp_path, text) == [
        "3:25: middlewares.one.jwks: './keys.json': there is no such file"
    ]
    (tmp_path / "keys.json").write_text("{}")
    resolved(tmp_path, text)
