"""The rules about the tree that a machine can check."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from gateway.loader import MIDDLEWARES, PLUGINS, middleware_class

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "plugins", "backends")
LONGEST = 400
NO_SUBJECT = frozenset({"utils", "helpers", "helper", "common", "misc", "manager", "service"})
IGNORE = re.compile(r"#\s*(?:type:\s*ignore|noqa)(.*)")
REASONED = re.compile(r"(?:\[[\w, -]+\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)\s+\S+.*")


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the whole tree, so that what must stay out of a distribution had its chance."""
    copy = tmp_path_factory.mktemp("built") / "checkout"
    leave = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "data")
    shutil.copytree(ROOT, copy, ignore=leave)
    return copy


@pytest.fixture(scope="module")
def wheel(copy: Path) -> Iterator[zipfile.ZipFile]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, *offline, "--wheel-dir", copy.parent, copy], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(copy.parent.glob("*.whl"))) as opened:
        yield opened


class TestTheWheel:
    def test_has_three_packages_and_nothing_else(self, wheel: zipfile.ZipFile) -> None:
        top = {name.partition("/")[0] for name in wheel.namelist()}
        assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)

    def test_holds_every_module_and_every_file_they_read(self, wheel: zipfile.ZipFile) -> None:
        kept = {
            name_of(path)
            for package in PACKAGES
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix not in {".pyc", ".md"}
        }
        assert kept <= set(wheel.namelist())

    def test_is_typed(self, wheel: zipfile.ZipFile) -> None:
        assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel.namelist())

    def test_says_what_it_is(self, wheel: zipfile.ZipFile) -> None:
        info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        about = message_from_bytes(wheel.read(info))
        assert about["Name"] == "ait-gateway"
        assert about["Requires-Python"] == ">=3.11"
        assert {"all", "test"} <= set(about.get_all("Provides-Extra", []))
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())

    def test_brings_the_command(self, wheel: zipfile.ZipFile) -> None:
        entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert "ait-gateway = gateway.__main__:main" in wheel.read(entry).decode()


class TestTheSourceDistribution:
    def test_has_what_it_takes_to_run_and_test_it(self, copy: Path) -> None:
        build = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
        done = subprocess.run(
            [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        with tarfile.open(next(copy.glob("dist/*.tar.gz"))) as opened:
            held = {name.partition("/")[2] for name in opened.getnames()}
        wanted = {name_of(path) for path in sources(*PACKAGES, "config", "tests")}
        wanted |= {"CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "config/gateway.yaml"}
        assert wanted <= held


class TestASourceFile:
    def test_fits_on_four_hundred_lines(self) -> None:
        lines = {
            name_of(path): len(path.read_text().splitlines())
            for path in sources(*PACKAGES, "config", "tests")
        }
        assert {name: count for name, count in lines.items() if count > LONGEST} == {}

    def test_is_named_after_its_subject(self) -> None:
        paths = [path.relative_to(ROOT) for path in sources(*PACKAGES, "config")]
        assert [path for path in paths if NO_SUBJECT.intersection((*path.parts, path.stem))] == []

    def test_gives_a_code_and_a_reason_for_what_it_ignores(self) -> None:
        bare = [
            f"{name_of(path)}:{number}"
            for path in sources(*PACKAGES, "config", "tests")
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if (found := IGNORE.search(line)) and not REASONED.fullmatch(found[1])
        ]
        assert [place for place in bare if not place.startswith("tests/test_tree.py")] == []

    def test_leaves_importing_by_name_to_the_loader_and_the_drivers(self) -> None:
        allowed = {"gateway/loader.py", "backends/drivers.py"}
        assert [
            name_of(path)
            for path in sources(*PACKAGES)
            if name_of(path) not in allowed and imports_by_name(path)
        ] == []


def imports_by_name(path: Path) -> bool:
    """Whether it imports importlib; importlib.metadata only reads what is installed."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "importlib":
            names = [f"importlib.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.startswith("importlib") and name != "importlib.metadata" for name in names):
            return True
    return False


def test_conformance_needs_none_of_our_fixtures_and_engines() -> None:
    """Who writes a driver elsewhere takes it as it is."""
    assert [
        f"{name_of(path)}: {name}"
        for path in sources("tests/conformance")
        for name in imported(path)
        if name.startswith(("tests", "gateway", "plugins"))
        and not name.startswith("tests.conformance")
    ] == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


class TestABundledMiddleware:
    @pytest.mark.parametrize("name", MIDDLEWARES.bundled())
    def test_has_tests(self, name: str) -> None:
        assert (ROOT / "tests" / "gateway" / "middlewares" / f"test_{name}.py").is_file()

    @pytest.mark.parametrize("name", MIDDLEWARES.bundled())
    def test_has_a_section_that_names_its_options(self, name: str) -> None:
        readme = (ROOT / "README.md").read_text()
        assert f"\n#### {name}\n" in readme
        section = readme.split(f"\n#### {name}\n")[1].split("\n#")[0]
        options = middleware_class(name, ROOT).Options.__struct_fields__
        assert [option for option in options if f"`{option}`" not in section] == []


class TestBundledPlugins:
    def test_have_tests_and_a_readme(self) -> None:
        for name in PLUGINS.bundled():
            assert (ROOT / "tests" / "plugins" / name).is_dir()
            assert (ROOT / "plugins" / name / "README.md").is_file()
