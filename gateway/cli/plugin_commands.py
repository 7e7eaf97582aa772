"""`ait-gateway PLUGIN COMMAND`: what a plugin of the file does at the command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from backends.catalogue import Backends
from backends.errors import BackendError
from gateway.config import Resolved
from gateway.errors import PluginError
from gateway.migrating import migrated
from gateway.plugin import Command, Context
from gateway.telemetry.metrics import Metrics


async def run(resolved: Resolved, name: str, arguments: Sequence[str]) -> int:
    """`name` is a plugin's in the file. Raises GatewayError; wrong arguments end the program."""
    use = resolved.plugins[name]
    backends = Backends(resolved.config.backends)
    folder = resolved.folder
    try:
        context = Context(name, folder, Metrics(), backends, lambda _: None, dict)
        commands = use.kind(use.options, context).commands()
        options = _parser(name, commands).parse_args(arguments)
        await backends.ready(use.kind.needs)
        if use.kind.migrations is not None:
            await migrated(backends, use.kind.migrations)
        await commands[options.command].run(options)
    except BackendError as error:
        raise PluginError(f"backends.{error}") from error
    finally:
        await backends.close()
    return 0


def _parser(name: str, commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    if not commands:
        raise PluginError(f"the plugin {name!r} has no commands")
    parser = argparse.ArgumentParser(f"ait-gateway {name}")
    _take_file(parser)
    found = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for word, command in commands.items():
        made = found.add_parser(word, help=command.words, description=command.words)
        _take_file(made)
        command.arguments(made)
    return parser


def _take_file(parser: argparse.ArgumentParser) -> None:
    """Which was looked for before the command was known: it may be at any place."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="the YAML file")
