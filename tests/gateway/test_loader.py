from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import loader
from gateway.errors import LoadError
from gateway.middleware import Middleware
from gateway.plugin import Plugin

THIRD_PARTY = Path(__file__).parents[1] / "fixtures" / "third_party"
REPOSITORY = Path(__file__).parents[2]

GEO = """
from gateway.plugin import Plugin

class Geo(Plugin):
    country = "AT"
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    return write


def refused(use: str, folder: Path, load: Callable[[str, Path], Any] = loader.plugin_class) -> str:
    with pytest.raises(LoadError) as caught:
        load(use, folder)
    return str(caught.value)


class TestAPath:
    def test_names_a_file_and_a_class(self, tmp_path: Path, write: Write) -> None:
        write("local/geo.py", GEO)
        found = loader.plugin_class("./local/geo.py:Geo", tmp_path)
        assert issubclass(found, Plugin)
        assert found.country == "AT"

    def test_needs_no_class_where_one_is_defined(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", "from gateway.plugin import AnyPlugin\n" + GEO)
        assert loader.plugin_class("geo.py", tmp_path).__name__ == "Geo"

    def test_may_be_absolute(self, tmp_path: Path, write: Write) -> None:
        file = write("geo.py", GEO)
        assert loader.plugin_class(f"{file}:Geo", Path("/")).__name__ == "Geo"

    def test_does_not_count_what_is_private_or_imported(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", GEO + "class _Base(Plugin): ...\nAlias = Geo\n")
        assert loader.plugin_class("./geo.py", tmp_path).__name__ == "Geo"

    def test_can_be_a_middleware(self, tmp_path: Path, write: Write) -> None:
        write(
            "stamp.py", "from gateway.middleware import Middleware\nclass Stamp(Middleware): ...\n"
        )
        assert issubclass(loader.middleware_class("./stamp.py", tmp_path), Middleware)

    def test_can_be_a_folder_whose_rooms_import_each_other(
        self, tmp_path: Path, write: Write
    ) -> None:
        write("local/geo/__init__.py", "from .rooms.service import Geo\n")
        write("local/geo/rooms/__init__.py", "")
        write(
            "local/geo/rooms/service.py",
            "from gateway.plugin import Plugin\nfrom ..data import COUNTRY\n"
            "class Geo(Plugin):\n    country = COUNTRY\n",
        )
        write("local/geo/data.py", "COUNTRY = 'AT'\n")
        before = list(sys.path)
        assert loader.plugin_class("./local/geo", tmp_path).country == "AT"
        assert loader.plugin_class("./local/geo:Geo", tmp_path).country == "AT"
        assert sys.path == before
        assert not list(tmp_path.rglob("*.pyc"))

    def test_of_the_same_stem_elsewhere_is_another_module(
        self, tmp_path: Path, write: Write
    ) -> None:
        write("one/geo.py", GEO)
        write("two/geo.py", GEO.replace("AT", "DE"))
        one = loader.plugin_class("./one/geo.py", tmp_path)
        two = loader.plugin_class("./two/geo.py", tmp_path)
        assert (one.country, two.country) == ("AT", "DE")
        assert one.__module__ != two.__module__

    def test_may_hold_a_dot_in_its_name(self, tmp_path: Path, write: Write) -> None:
        write("geo.v2/__init__.py", "from .data import Geo\n")
        write("geo.v2/data.py", GEO)
        assert loader.plugin_class("./geo.v2", tmp_path).country == "AT"


class TestAReload:
    def test_gives_the_same_class_while_the_file_is_the_same(
        self, tmp_path: Path, write: Write
    ) -> None:
        write("geo.py", GEO)
        first = loader.plugin_class("./geo.py:Geo", tmp_path)
        os.utime(tmp_path / "geo.py")
        assert loader.plugin_class("./geo.py", tmp_path) is first

    def test_sees_an_edit_of_the_same_size_in_the_same_second(
        self, tmp_path: Path, write: Write
    ) -> None:
        write(
            "geo.py", GEO + "    def say(self):\n        return suffix()\ndef suffix(): return 1\n"
        )
        old = loader.plugin_class("./geo.py", tmp_path)
        write("geo.py", GEO.replace("AT", "DE"))
        new = loader.plugin_class("./geo.py", tmp_path)
        assert (old.country, new.country) == ("AT", "DE")
        assert old.say(None) == 1

    def test_sees_an_edit_in_a_room_of_a_folder(self, tmp_path: Path, write: Write) -> None:
        write("geo/__init__.py", "from .service import Geo\n")
        write("geo/service.py", GEO)
        assert loader.plugin_class("./geo", tmp_path).country == "AT"
        write("geo/service.py", GEO.replace("AT", "DE"))
        assert loader.plugin_class("./geo", tmp_path).country == "DE"

    def test_that_fails_leaves_what_was_loaded(self, tmp_path: Path, write: Write) -> None:
        write("geo/__init__.py", "from .service import Geo\n")
        write("geo/service.py", GEO)
        old = loader.plugin_class("./geo", tmp_path)
        write("geo/service.py", GEO + "raise RuntimeError('half way')\n")
        assert "RuntimeError: half way" in refused("./geo", tmp_path)
        assert sys.modules[old.__module__].Geo is old
        write("geo/service.py", GEO)
        assert loader.plugin_class("./geo", tmp_path) is old


class TestWhatCannotBeLoaded:
    def test_names_the_missing_file(self, tmp_path: Path) -> None:
        message = refused("./local/geo.py:Geo", tmp_path)
        assert message.startswith("plugin './local/geo.py:Geo' cannot be loaded: there is no file")
        assert str(tmp_path / "local" / "geo.py") in message

    def test_names_the_missing_init_of_a_folder(self, tmp_path: Path, write: Write) -> None:
        write("geo/data.py", "")
        assert f"there is no file {tmp_path / 'geo' / '__init__.py'}" in refused("./geo", tmp_path)

    def test_must_be_python(self, tmp_path: Path, write: Write) -> None:
        write("geo.txt", GEO)
        assert "is not a .py file" in refused("./geo.txt", tmp_path)

    def test_says_where_the_syntax_is_wrong(self, tmp_path: Path, write: Write) -> None:
        file = write("geo.py", "x = 1\nclass Geo(:\n")
        message = refused("./geo.py:Geo", tmp_path)
        assert f"SyntaxError: invalid syntax ({file}:2)" in message

    def test_says_which_line_raised(self, tmp_path: Path, write: Write) -> None:
        file = write("geo.py", "x = 1\n\nnowhere\n")
        message = refused("./geo.py", tmp_path)
        assert message.endswith(f"NameError: name 'nowhere' is not defined ({file}:3)")

    def test_says_which_import_failed(self, tmp_path: Path, write: Write) -> None:
        file = write("geo.py", "import no_such_module_anywhere\n")
        message = refused("./geo.py", tmp_path)
        assert "No module named 'no_such_module_anywhere'" in message
        assert f"({file}:1)" in message

    def test_may_not_end_the_process(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", "raise SystemExit('bye')\n")
        assert "SystemExit: bye" in refused("./geo.py", tmp_path)

    def test_suggests_the_class_that_is_there(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", GEO)
        message = refused("./geo.py:Goe", tmp_path)
        assert message.endswith(f"{tmp_path / 'geo.py'} has no Goe; did you mean 'Geo'?")

    def test_lists_nothing_where_nothing_is(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", "x = 1\n")
        assert refused("./geo.py:Geo", tmp_path).endswith("geo.py has no Geo")
        assert refused("./geo.py", tmp_path).endswith("geo.py defines no Plugin")

    def test_asks_which_of_two_classes_is_meant(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", GEO + "class Other(Geo): ...\n")
        assert "defines Geo, Other: say which, as `path:Class`" in refused("./geo.py", tmp_path)

    @pytest.mark.parametrize("name", ["Options", "helper", "Plugin"])
    def test_must_subclass_the_contract(self, name: str, tmp_path: Path, write: Write) -> None:
        write("geo.py", GEO + "class Options: ...\ndef helper(): ...\n")
        assert f"{name} is not a subclass of gateway.Plugin" in refused(
            f"./geo.py:{name}", tmp_path
        )

    def test_is_a_plugin_where_a_middleware_is_asked_for(
        self, tmp_path: Path, write: Write
    ) -> None:
        write("geo.py", GEO)
        message = refused("./geo.py:Geo", tmp_path, loader.middleware_class)
        assert "Geo is not a subclass of gateway.Middleware" in message

    def test_must_have_options_that_can_be_decoded(self, tmp_path: Path, write: Write) -> None:
        write("geo.py", GEO + "    Options = dict\n")
        assert "Geo.Options is not a msgspec.Struct" in refused("./geo.py", tmp_path)


class TestAName:
    def test_that_is_bundled_is_a_middleware(self) -> None:
        for name, found in loader.bundled_middlewares().items():
            assert loader.middleware_class(name, Path()) is found
            assert issubclass(found, Middleware)

    def test_that_is_bundled_is_a_plugin(self) -> None:
        for name, found in loader.bundled_plugins().items():
            assert loader.plugin_class(name, Path()) is found
            assert issubclass(found, Plugin)

    def test_that_nobody_has_is_refused(self, tmp_path: Path) -> None:
        assert "there is no such plugin" in refused("zzzz", tmp_path)

    def test_with_a_typo_gets_a_suggestion(self, tmp_path: Path) -> None:
        for name in loader.bundled_middlewares():
            message = refused(f"{name}x", tmp_path, loader.middleware_class)
            assert f"did you mean {name!r}?" in message


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the distribution of tests/fixtures/third_party."""
    source = tmp_path_factory.mktemp("source") / "third_party"
    shutil.copytree(THIRD_PARTY, source)
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run([*pip, *offline, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(site)
    return site


class TestAnInstalledDistribution:
    def test_brings_a_plugin_to_a_new_process(self, site: Path) -> None:
        program = "from pathlib import Path; from gateway.loader import plugin_class; "
        paths = os.pathsep.join([str(site), str(REPOSITORY)])
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program + "print(plugin_class('geo', Path()))"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert done.stdout.strip() == "<class 'ait_geo.Geo'>", done.stderr

    @pytest.mark.usefixtures("installed")
    def test_brings_a_plugin_by_entry_point(self) -> None:
        assert loader.plugin_class("geo", Path()).__name__ == "Geo"

    @pytest.mark.usefixtures("installed")
    def test_brings_a_middleware_by_entry_point(self) -> None:
        assert loader.middleware_class("country", Path()).__name__ == "Country"

    @pytest.mark.usefixtures("installed")
    def test_is_suggested(self) -> None:
        assert "did you mean 'geo'?" in refused("goe", Path())

    @pytest.mark.usefixtures("installed")
    def test_may_not_take_a_bundled_name(self) -> None:
        message = refused("ip_filter", Path(), loader.middleware_class)
        assert message == (
            "middleware 'ip_filter' cannot be loaded: the name is taken more than once: "
            "gateway.middlewares.ip_filter (bundled) and ait_geo:Country (ait-geo)"
        )

    @pytest.mark.usefixtures("installed")
    def test_may_not_take_the_name_of_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = tmp_path / "other_geo-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-geo\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[gateway.plugins]\ngeo = other:Geo\n")
        monkeypatch.syspath_prepend(tmp_path)
        message = refused("geo", Path())
        assert "ait_geo:Geo (ait-geo)" in message
        assert "other:Geo (other-geo)" in message

    @pytest.mark.usefixtures("installed")
    def test_that_lacks_an_extra_says_what_to_install(self) -> None:
        message = refused("geo-maps", Path())
        assert message.endswith("No module named 'maps_from_nowhere'; pip install 'ait-geo[maps]'")

    @pytest.mark.usefixtures("installed")
    def test_that_lacks_something_else_says_what(self) -> None:
        message = refused("geo-rooms", Path())
        assert "ModuleNotFoundError: No module named 'ait_geo.rooms'" in message

    @pytest.mark.usefixtures("installed")
    def test_whose_entry_point_is_wrong_says_so(self) -> None:
        message = refused("geo-typo", Path())
        assert "AttributeError: module 'ait_geo' has no attribute 'Goe'" in message
