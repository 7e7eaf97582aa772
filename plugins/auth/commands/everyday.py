"""create-client, create-admin and rotate-keys."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import orjson

from gateway.errors import GatewayError
from gateway.plugin import Command
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.errors import AccountError
from plugins.auth.audit.actor import COMMAND
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.authentication import BASIC, CONFIDENTIAL, NONE
from plugins.auth.oauth.clients import GRANTS, Clients
from plugins.auth.registration.members import OperatorsMembers, Rules
from plugins.auth.registration.tokens import RegistrationTokens

PASSWORD = "AIT_GATEWAY_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
HERE = "127.0.0.1"


class Commands:
    """keyring: reads the keys first, when a command needs them."""

    def __init__(
        self,
        directory: Directory,
        clients: Clients,
        registration: RegistrationTokens,
        keyring: Callable[[], Awaitable[Keyring]],
        rules: Rules,
    ) -> None:
        self._rules = rules
        self._registration = registration
        self._directory = directory
        self._clients = clients
        self._keyring = keyring

    def all(self) -> Mapping[str, Command]:
        return {
            "create-client": Command(
                "Register a client; prints it with its secret, as JSON.",
                _of_client,
                self.create_client,
            ),
            "create-admin": Command(
                f"Make an account with the role admin; its password is ${PASSWORD}, or asked for.",
                lambda parser: _add(parser, "--email", "to log in with", required=True),
                self.create_admin,
            ),
            "rotate-keys": Command(
                "Publish a new signing key, which signs after `keys.ahead` seconds.",
                lambda parser: None,
                self.rotate_keys,
            ),
        }

    async def create_client(self, options: Namespace) -> None:
        """Raises GatewayError and BackendError."""
        try:
            members = await self._rules.checked(_members(options))
            made, secret = await self._clients.create(
                options.name,
                options.scope.split(),
                NONE if options.public else options.auth_method,
                grants=options.grant,
                redirect_uris=options.redirect_uri,
                first_party=options.first_party,
                introspector=options.introspector,
                audience=options.audience,
                metadata=members,
            )
        except (msgspec.ValidationError, ValueError) as error:
            raise GatewayError(str(error)) from None
        _print(
            client_id=made.id,
            **({"client_secret": secret} if secret else {}),
            client_name=made.name,
            token_endpoint_auth_method=made.method,
            grant_types=sorted(made.grants),
            redirect_uris=list(made.redirect_uris),
            scope=" ".join(made.scopes),
        )
        if options.initial_access_token:
            sys.stdout.write(await self._registration.initial(made.scopes) + "\n")

    async def create_admin(self, options: Namespace) -> None:
        """Raises GatewayError and BackendError."""
        try:
            made = await self._directory.register(
                options.email, password_given(), HERE, roles=["admin"], verified=True, letter=False
            )
        except AccountError as error:
            raise GatewayError(str(error) or "that address or password cannot be taken") from None
        if made is None:
            raise GatewayError("there is an account with that address")
        _print(account_id=made, email=options.email, roles=["admin"])

    async def rotate_keys(self, options: Namespace) -> None:
        key = await (await self._keyring()).rotate(COMMAND)
        _print(kid=key.kid, alg=key.algorithm, signs_at=key.signs_at)


def _members(options: Namespace) -> OperatorsMembers:
    """Raises GatewayError and msgspec.ValidationError."""
    found = {
        "post_logout_redirect_uris": options.post_logout_redirect_uri,
        "backchannel_logout_uri": options.backchannel_logout_uri,
        "id_token_signed_response_alg": options.id_token_alg,
        "jwks": _read(options.jwks) if options.jwks else None,
        "jwks_uri": options.jwks_uri,
        "dpop_bound_access_tokens": options.dpop,
        "require_pushed_authorization_requests": options.pushed,
        "organisation": options.organisation,
    }
    said = {name: value for name, value in found.items() if value}
    return msgspec.convert(said, OperatorsMembers)


def _read(path: str) -> object:
    """Raises GatewayError, which quotes nothing: it may be another file than was meant."""
    try:
        return orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise GatewayError(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise GatewayError(f"{path}: not JSON") from None


def _of_client(parser: ArgumentParser) -> None:
    _add(parser, "--name", "what people read", default="client")
    _add(parser, "--scope", "scopes it may have, with spaces", default="")
    _add(parser, "--audience", "`aud` of its tokens, instead of the setting", default="")
    _add(parser, "--id-token-alg", "RS256: what its id_tokens are signed by", default="")
    _add(
        parser, "--organisation", "the id of the one that its people and tokens are of", default=""
    )
    _add(parser, "--jwks", "a file of its public keys (JWK Set), for private_key_jwt")
    _add(parser, "--jwks-uri", "where its public keys are published, for private_key_jwt")
    _add(parser, "--backchannel-logout-uri", "what hears when a session has ended", default="")
    again = parser.add_argument
    again(
        "--post-logout-redirect-uri",
        action="append",
        default=[],
        help="where people may go after /logout; may be repeated",
    )
    again("--redirect-uri", action="append", default=[], help="where log-ins end; may be repeated")
    again("--grant", action="append", default=[], choices=GRANTS, help="may be repeated")
    again("--auth-method", choices=CONFIDENTIAL, default=BASIC, help="how it says who it is")
    mark = partial(again, action="store_true")
    mark("--public", help="it can keep no secret: an app on a device or in a browser")
    mark("--first-party", help="people are not asked whether it may know them")
    mark("--dpop", help="its tokens are bound to a key (RFC 9449)")
    mark("--pushed", help="it sends requests to /par first (RFC 9126)")
    mark("--initial-access-token", help="print, last, a token for registration by RFC 7591")
    mark("--introspector", help="it may look into tokens of other clients")


def _add(
    parser: ArgumentParser, name: str, words: str, *, required: bool = False, default: str = ""
) -> None:
    parser.add_argument(name, required=required, default=default, help=words)


def password_given() -> str:
    """Never an argument, which other users of the machine may read."""
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise GatewayError("the two are not the same")
    return first


def _print(**values: object) -> None:
    shown(values)


def shown(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
