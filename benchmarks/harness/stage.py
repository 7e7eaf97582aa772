"""What a run needs around the contestants: upstreams, a certificate, tokens, requests in files, and
each contestant's configuration with this run's ports in it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm

from benchmarks.harness import peers
from benchmarks.harness.install import NPM
from benchmarks.harness.processes import free_ports, running

USERS = 16
WRITTEN = ("18080", "18443", "18901", "18090", "18091")  # the ports in the published files


@dataclass(frozen=True)
class Ports:
    """Those of one contestant, and of the upstreams that all of them have."""

    plain: int
    tls: int
    admin: int
    upstream: int
    live: int

    def put_into(self, text: str) -> str:
        ports = (self.plain, self.tls, self.admin, self.upstream, self.live)
        for written, port in zip(WRITTEN, ports, strict=True):
            text = text.replace(written, str(port))
        return text


@dataclass(frozen=True)
class Stage:
    """The upstreams run, and `shared` holds what is copied to every contestant."""

    folder: Path
    shared: Path
    upstream: int
    live: int
    tokens: tuple[str, ...]

    def prepare(
        self, peer: peers.Peer, variant: str, workers: int, name: str
    ) -> tuple[Path, Ports]:
        """The main configuration file in a new folder, and its ports."""
        folder = self.folder / name
        shutil.copytree(self.shared, folder)
        plain, tls, admin = free_ports(3)
        ports = Ports(plain, tls, admin, self.upstream, self.live)
        for file in peer.configs[variant]:
            text = ports.put_into(text_of(file))
            if workers > 1 and peer.workers:
                text = text.replace(peer.workers.format(1), peer.workers.format(workers))
            (folder / Path(file).name).write_text(text)
        if (modules := NPM / "node_modules").is_dir():
            (folder / "node_modules").symlink_to(modules)
        return folder / Path(peer.configs[variant][0]).name, ports


def text_of(file: str) -> str:
    """A published file's text, or that of a table with many routes."""
    stem, _, count = Path(file).stem.partition("-")
    if stem == "routes":
        return table_of_routes(int(count))
    return (peers.HERE / file).read_text()


def table_of_routes(count: int) -> str:
    """gateway/bare.yaml with so many routes: a third each of literals, `{id}` and `/**`."""
    head, _, _ = (peers.HERE / "gateway" / "bare.yaml").read_text().partition("routes:\n")
    shapes = ("/v1/shop{n}/orders", "/v1/shop{n}/orders/{{id}}", "/v1/shop{n}/**")
    routes = (
        f'  - {{id: r{n}, match: {{path: "{shapes[n % 3].format(n=n // 3)}"}}, upstream: small}}\n'
        for n in range(count)
    )
    return head + "routes:\n" + "".join(routes)


@contextmanager
def stage(folder: Path, cores: frozenset[int]) -> Iterator[Stage]:
    """Both upstreams, on the load's cores, until it is left."""
    shared = folder / "shared"
    shared.mkdir()
    _certificate(shared)
    tokens = _tokens(shared)
    upstream, live = free_ports(2)
    with ExitStack() as stack:
        _, nginx = peers.nginx()
        home = folder / "upstream"
        (home / "files").mkdir(parents=True)
        (home / "files" / "64k.bin").write_bytes(bytes(range(256)) * 256)
        (home / "files" / "1m.bin").write_bytes(bytes(range(256)) * 4096)
        config = home / "upstream.conf"
        config.write_text(text_of("peers/upstream.conf").replace("18090", str(upstream)))
        stack.enter_context(running([nginx, "-p", home, "-c", config], home, cores, upstream))
        home = folder / "live"
        home.mkdir()
        argv: list[str | Path] = [sys.executable, peers.HERE / "harness" / "live.py", str(live)]
        stack.enter_context(running(argv, home, cores, live))
        yield Stage(folder, shared, upstream, live, tokens)


def _certificate(folder: Path) -> None:
    """For 127.0.0.1, signed by itself: cert.pem, key.pem, and both.pem as HAProxy takes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "cert.pem").write_bytes(public)
    (folder / "key.pem").write_bytes(private)
    (folder / "both.pem").write_bytes(public + private)


def _tokens(folder: Path) -> tuple[str, ...]:
    """One for each of USERS, good for a day, and jwks.json that verifies them."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = {"keys": [{**public, "kid": "benchmark", "use": "sig", "alg": "ES256"}]}
    (folder / "jwks.json").write_text(json.dumps(jwks))
    now = int(time.time())
    claims = {"iss": "https://issuer.example", "aud": "benchmark", "iat": now, "exp": now + 86400}
    return tuple(
        jwt.encode(
            {**claims, "sub": f"user-{n}"}, key, algorithm="ES256", headers={"kid": "benchmark"}
        )
        for n in range(USERS)
    )
