"""The command line. Exit codes: 0 done, 1 nothing matches, 2 the file or command is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.config import Config, Resolved

DISTRIBUTION = "ait-gateway"
OUR_PACKAGES = ("gateway", "plugins", "backends")
VARIABLE = "AIT_GATEWAY_CONFIG"
COMMANDS = frozenset({"serve", "check", "routes", "migrate", "explain", "schema"})
USUAL_FILES = ("gateway.yaml", "config/gateway.yaml")
WRONG, INTERRUPTED = 2, 130


class CommandError(GatewayError):
    """The command cannot be done as it was given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. Mistakes are told on stderr; Ctrl-C and a closed pipe say nothing."""
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        path = _file_with_plugin(given)
        status = _of_plugin(path, given) if path else _run(_parser().parse_args(given))
        sys.stdout.flush()
    except GatewayError as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def refuse_strangers(owners: Mapping[str, Sequence[str]]) -> None:
    """Raises CommandError where another distribution owns one of our package names.

    pip installs one over the other without a word, and what then runs is a mixture.
    """
    for package in OUR_PACKAGES:
        names = {name.lower().replace("_", "-") for name in owners.get(package, ())}
        strangers = sorted(names - {DISTRIBUTION})
        if strangers:
            raise CommandError(
                f"{', '.join(strangers)} also installs the package {package!r}, over that of "
                f"{DISTRIBUTION}: uninstall it, then reinstall {DISTRIBUTION}"
            )


def _run(options: argparse.Namespace) -> int:
    refuse_strangers(metadata.packages_distributions())
    if options.command == "schema":
        return _schema()
    path = options.config or _usual_file(os.environ)
    if options.command == "serve":
        from gateway import app

        return app.serve(path, options.watch)
    resolved = _checked(path)
    if options.command == "check":
        print(f"{path}: {_summary(resolved.config)}")
        return 0
    if options.command == "routes":
        return _routes(resolved, options.json)
    if options.command == "migrate":
        return _migrate(resolved, only_look=options.check)
    return _explain(resolved, options)


def _file_with_plugin(given: Sequence[str]) -> Path | None:
    """The file, when the first word is none of our commands and there is a file to look into."""
    if not given or given[0].startswith("-") or given[0] in COMMANDS:
        return None
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("-c", "--config", type=Path)
    path: Path | None = early.parse_known_args(given[1:])[0].config
    try:
        return path or _usual_file(os.environ)
    except CommandError:
        return None


def _of_plugin(path: Path, given: Sequence[str]) -> int:
    import asyncio

    from gateway.cli.plugin_commands import run

    refuse_strangers(metadata.packages_distributions())
    resolved = _checked(path)
    if given[0] not in resolved.plugins:
        _parser().error(f"{given[0]!r} is neither a command nor a plugin of {path}")
    return asyncio.run(run(resolved, given[0], given[1:]))


def _routes(resolved: Resolved, in_json: bool) -> int:
    from gateway.cli.routes import as_text, compiled

    routes = compiled(resolved)
    print(_json(routes) if in_json else as_text(routes))
    return 0


def _migrate(resolved: Resolved, *, only_look: bool) -> int:
    """With `--check` 1 when there is something to do."""
    import asyncio

    from gateway.migrating import of_all

    revisions = asyncio.run(of_all(resolved, only_look=only_look))
    for owner, revision in revisions:
        print(f"{owner}: {revision} {'is pending' if only_look else 'carried out'}")
    if not revisions:
        print("the tables are as the plugins want them")
    return 1 if only_look and revisions else 0


def _explain(resolved: Resolved, options: argparse.Namespace) -> int:
    from gateway.cli.explain import as_text, explain

    headers = []
    for header in options.header:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise CommandError(f"{header!r}: a header is written 'Name: value'")
        headers.append((name.strip(), value.strip()))
    found = explain(resolved, options.method, options.url, headers)
    print(_json(found) if options.json else as_text(found, resolved.config.server.admin))
    return 0 if found.route else 1


def _schema() -> int:
    from gateway.config.schema import file_schema
    from gateway.loader import bundled_middlewares, bundled_plugins

    print(_json(file_schema(bundled_middlewares(), bundled_plugins())))
    return 0


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _usual_file(environment: Mapping[str, str]) -> Path:
    named = environment.get(VARIABLE)
    if named:
        return Path(named)
    for file in map(Path, USUAL_FILES):
        if file.is_file():
            return file
    looked = ", ".join(f"./{file}" for file in USUAL_FILES)
    raise CommandError(
        f"there is no configuration: looked for ${VARIABLE}, {looked}; name one with -c FILE"
    )


def _checked(path: Path) -> Resolved:
    """The file without a mistake. Raises ConfigErrors with all of them."""
    from gateway.config import read, resolve
    from gateway.loader import middleware_class, plugin_class

    return resolve(read(path), middleware_class, plugin_class)


def _summary(config: Config) -> str:
    sections = ("route", "upstream", "middleware", "plugin")
    sizes = [(section, len(getattr(config, f"{section}s"))) for section in sections]
    return ", ".join(f"{size} {section}{'' if size == 1 else 's'}" for section, size in sizes)


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        DISTRIBUTION,
        description="An API gateway: a YAML route table in, requests to upstreams and plugins out.",
        epilog=f"Without -c the file is ${VARIABLE}, else {' or '.join(USUAL_FILES)}. Plugins of "
        f"the file have commands too: {DISTRIBUTION} PLUGIN -h -c FILE.",
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words)
        made.add_argument("-c", "--config", type=Path, metavar="FILE", help="the YAML file")
        return made

    serve = command("serve", "Run the gateway.")
    serve.add_argument(
        "--watch",
        action="store_true",
        help="reload when the file changes, replace the workers when code does",
    )
    command("check", "Say what is wrong with a file, all of it.")
    routes = command("routes", "Show the routes, the most specific first.")
    migrate = command("migrate", "Bring the plugins' tables up to date, as the start does.")
    migrate.add_argument("--check", action="store_true", help="only say what is pending: exit 1")
    explain = command("explain", "Say which route takes a request, and why.")
    explain.add_argument("method", metavar="METHOD", type=str.upper)
    explain.add_argument("url", metavar="URL", help="http://host/path?query, or only the path")
    explain.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="repeatable"
    )
    for each in (routes, explain):
        each.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("schema", help="Print the JSON Schema of the file, for editors.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
