"""From a name, an entry point or a path to the class behind it; the only importlib.

`use: jwt` is bundled, or found by the entry point groups `gateway.middlewares` and
`gateway.plugins`. `use: ./local/geo.py:Geo` is a file and `use: ./local/geo` a folder with an
`__init__.py`; `:Class` may be left out where only one is defined. A path is executed again
when its source has changed, so a reload sees it; what was loaded before goes on working.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

import msgspec

from gateway.errors import LoadError
from gateway.middleware import AnyMiddleware, Middleware
from gateway.plugin import AnyPlugin, Plugin

DISTRIBUTION = "ait-gateway"
OWN = frozenset({"gateway", "plugins", "backends"})
SOURCE_DIGEST = "__source_digest__"
MACHINERY = (__file__, str(Path(importlib.__file__).parent), "<frozen ")
T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What is looked for, and where in `package` a bundled one lies."""

    noun: str
    contract: type[Any]
    package: str
    pattern: str

    @property
    def group(self) -> str:
        return f"gateway.{self.noun}s"

    def bundled(self) -> dict[str, str]:
        """Name -> module. Nothing is imported for it but the package itself."""
        found = {}
        for folder in map(Path, importlib.import_module(self.package).__path__):
            for file in sorted(folder.glob(self.pattern)):
                parts = file.relative_to(folder).with_suffix("").parts
                if not parts[0].startswith("_"):
                    found[parts[0]] = ".".join((self.package, *parts))
        return found


MIDDLEWARES: Kind[type[AnyMiddleware]] = Kind(
    "middleware", Middleware, "gateway.middlewares", "*.py"
)
PLUGINS: Kind[type[AnyPlugin]] = Kind("plugin", Plugin, "plugins", "*/plugin.py")


def middleware_class(use: str, folder: Path) -> type[AnyMiddleware]:
    """The middleware that `use` names; paths are read against `folder`. Raises LoadError."""
    return _find(MIDDLEWARES, use, folder)


def plugin_class(use: str, folder: Path) -> type[AnyPlugin]:
    """The plugin that `use` names; paths are read against `folder`. Raises LoadError."""
    return _find(PLUGINS, use, folder)


def bundled_middlewares() -> dict[str, type[AnyMiddleware]]:
    """Every middleware that ships with the gateway, by name."""
    return _all_bundled(MIDDLEWARES)


def bundled_plugins() -> dict[str, type[AnyPlugin]]:
    """Every plugin that ships with the gateway, by name."""
    return _all_bundled(PLUGINS)


def sources(classes: Iterable[type], *, by_path: bool = False) -> list[str]:
    """The files and folders with the code of these and of the gateway itself.

    by_path: only of those that were named by their path, which a reload executes again.
    """
    names = {found.__module__.partition(".")[0] for found in classes}
    places: set[str] = set()
    for name in names if by_path else names | OWN:
        module = vars(sys.modules.get(name, object))
        if by_path and SOURCE_DIGEST not in module:
            continue
        if "__path__" in module:
            places.update(module["__path__"])
        elif module.get("__file__"):
            places.add(module["__file__"])
    return sorted(places)


def _all_bundled(kind: Kind[T]) -> dict[str, T]:
    modules = {name: importlib.import_module(path) for name, path in kind.bundled().items()}
    return {
        name: _only_class(kind, module)
        for name, module in sorted(modules.items())
        if _classes(kind, module)
    }


def _find(kind: Kind[T], use: str, folder: Path) -> T:
    with _explained(f"{kind.noun} {use!r} cannot be loaded"):
        if "/" in use or use.startswith(".") or ".py" in use:
            return _from_path(kind, use, folder)
        return _from_name(kind, use)


def _from_name(kind: Kind[T], use: str) -> T:
    bundled = kind.bundled()
    installed = _installed(kind.group, tuple((place, _changed(place)) for place in sys.path))
    found = [entry for entry in installed if entry.name == use]
    doors = [f"{module} (bundled)" for name, module in bundled.items() if name == use]
    doors += [_door(entry) for entry in found]
    if len(doors) > 1:
        raise LoadError(f"the name is taken more than once: {' and '.join(doors)}")
    if not doors:
        known = sorted({*bundled, *(entry.name for entry in installed)})
        raise LoadError(f"there is no such {kind.noun}{_did_you_mean(use, known)}")
    distribution = found[0].dist.name if found and found[0].dist else DISTRIBUTION
    try:
        if found:
            return _checked(kind, found[0].load())
        return _only_class(kind, importlib.import_module(bundled[use]))
    except ModuleNotFoundError as missing:
        cure = _cure(distribution, missing.name or "")
        if cure is None:
            raise
        raise LoadError(f"{missing.msg}; pip install {cure!r}") from missing


@lru_cache(maxsize=4)
def _installed(group: str, _: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """Read anew, from every distribution there is, only when something was installed."""
    return tuple(entry_points(group=group))


def _changed(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


def _from_path(kind: Kind[T], use: str, folder: Path) -> T:
    where, _, name = use.partition(":")
    path = (folder / where).resolve()
    source = path / "__init__.py" if path.is_dir() else path
    if not source.is_file():
        raise LoadError(f"there is no file {source}")
    if source.suffix != ".py":
        raise LoadError(f"{source} is not a .py file")
    module = _module(path, source)
    if not name:
        return _only_class(kind, module)
    if not hasattr(module, name):
        names = [found.__name__ for found in _classes(kind, module)]
        raise LoadError(f"{source} has no {name}{_did_you_mean(name, names)}")
    return _checked(kind, getattr(module, name))


def _module(path: Path, source: Path) -> ModuleType:
    """The module at `path`, executed at most once for each state of its source."""
    place = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    name = f"{path.stem.replace('.', '_')}_{place}"
    digest = _source_digest(path)
    loaded = sys.modules.get(name)
    if loaded is not None and vars(loaded).get(SOURCE_DIGEST) == digest:
        return loaded
    spec = importlib.util.spec_from_file_location(name, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    replaced = _forget(name)
    sys.modules[name] = module
    try:
        with _no_bytecode():
            spec.loader.exec_module(module)
    except BaseException:
        _forget(name)
        sys.modules.update(replaced)
        raise
    setattr(module, SOURCE_DIGEST, digest)
    return module


def _source_digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"{file}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _forget(name: str) -> dict[str, ModuleType]:
    names = [known for known in sys.modules if known == name or known.startswith(f"{name}.")]
    return {known: sys.modules.pop(known) for known in names}


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """A .pyc knows its source by size and whole seconds: too coarse for an edit and a reload."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _classes(kind: Kind[Any], module: ModuleType) -> list[type[Any]]:
    """The public classes of that kind which the module, or a room of its folder, defines."""
    home = f"{module.__name__}."
    return [
        found
        for name, found in vars(module).items()
        if isinstance(found, type)
        and issubclass(found, kind.contract)
        and f"{found.__module__}.".startswith(home)
        and name == found.__name__
        and not name.startswith("_")
    ]


def _only_class(kind: Kind[T], module: ModuleType) -> T:
    found = _classes(kind, module)
    if len(found) == 1:
        return _checked(kind, found[0])
    if not found:
        raise LoadError(f"{module.__file__} defines no {kind.contract.__name__}")
    names = ", ".join(each.__name__ for each in found)
    raise LoadError(f"{module.__file__} defines {names}: say which, as `path:Class`")


def _checked(kind: Kind[T], found: object) -> T:
    contract = kind.contract
    if not (isinstance(found, type) and issubclass(found, contract)) or found is contract:
        name = getattr(found, "__qualname__", type(found).__name__)
        raise LoadError(f"{name} is not a subclass of gateway.{contract.__name__}")
    options = getattr(found, "Options", None)
    if not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        raise LoadError(f"{found.__qualname__}.Options is not a msgspec.Struct")
    return cast(T, found)


def _door(entry: EntryPoint) -> str:
    owner = entry.dist.name if entry.dist else "an unknown distribution"
    return f"{entry.value} ({owner})"


def _cure(distribution: str, module: str) -> str | None:
    """What to `pip install` for an import that an extra of the distribution would bring."""
    top = module.partition(".")[0].lower().replace("_", "-")
    for line in (line for each in distributions(name=distribution) for line in each.requires or []):
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra\s*==\s*['"]([\w.-]+)['"]""", line)
        if name and extra and name[0].lower().replace("_", "-") == top:
            return f"{distribution}[{extra[1]}]"
    return None


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else ""


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Whatever goes wrong while somebody's code is imported becomes a LoadError."""
    try:
        yield
    except LoadError as refused:
        raise LoadError(f"{what}: {refused}") from refused.__cause__
    except (Exception, SystemExit) as failure:
        raise LoadError(f"{what}: {_reason(failure)}") from failure


def _reason(failure: BaseException) -> str:
    if isinstance(failure, SyntaxError):
        return f"{type(failure).__name__}: {failure.msg} ({failure.filename}:{failure.lineno})"
    frames = traceback.extract_tb(failure.__traceback__)
    places = [each for each in frames if not each.filename.startswith(MACHINERY)]
    where = f" ({places[-1].filename}:{places[-1].lineno})" if places else ""
    return f"{type(failure).__name__}: {failure}{where}"
