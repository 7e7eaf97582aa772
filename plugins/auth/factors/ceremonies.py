"""WebAuthn's two ceremonies, by the `webauthn` package: options made, answers verified."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson

from plugins.auth.accounts.account import Account

LARGEST = 32 * 1024
TIMEOUT = 300_000
"""Milliseconds that a browser waits for its person."""


class Created(NamedTuple):
    id: bytes
    key: bytes
    sign_count: int


class Ceremonies:
    """To be added, and to be the only factor (`alone`), a passkey must verify its person; beside
    a password its person need only be there. The package is imported at the first of them."""

    def __init__(self, rp_id: str, origin: str, name: str) -> None:
        self._rp_id = rp_id
        self._origin = origin
        self._name = name

    def creation(self, account: Account, challenge: bytes, known: list[bytes]) -> str:
        import webauthn  # noqa: PLC0415 - most workers need none of it
        from webauthn.helpers import structs  # noqa: PLC0415 - as above
        from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 - as above

        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_name=account.email,
            user_id=account.id.encode(),
            user_display_name=account.name or account.email,
            challenge=challenge,
            timeout=TIMEOUT,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
            supported_pub_key_algs=[
                COSEAlgorithmIdentifier.EDDSA,
                COSEAlgorithmIdentifier.ECDSA_SHA_256,
                COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
            ],
        )
        return webauthn.options_to_json(options)

    def request(self, challenge: bytes, known: list[bytes], *, alone: bool) -> str:
        import webauthn  # noqa: PLC0415 - most workers need none of it
        from webauthn.helpers import structs  # noqa: PLC0415 - as above

        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=TIMEOUT,
            allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
            user_verification=structs.UserVerificationRequirement.REQUIRED
            if alone
            else structs.UserVerificationRequirement.PREFERRED,
        )
        return webauthn.options_to_json(options)

    def created(self, answer: str, challenge: bytes) -> Created | None:
        import webauthn  # noqa: PLC0415 - most workers need none of it

        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except _wrong():
            return None
        return Created(found.credential_id, found.credential_public_key, found.sign_count)

    def signed(
        self, answer: str, challenge: bytes, key: bytes, account_id: str, *, alone: bool
    ) -> int | None:
        """The authenticator's count, or None if it is not signed with `key`, or for another."""
        import webauthn  # noqa: PLC0415 - most workers need none of it

        try:
            handle = orjson.loads(answer)["response"].get("userHandle")
            if handle is not None and _decoded(handle) != account_id.encode():
                return None
            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=key,
                credential_current_sign_count=0,
                require_user_verification=alone,
            )
        except _wrong():
            return None
        return found.new_sign_count

    def challenge_of(self, answer: str) -> bytes:
        """What it claims to answer; nothing when it cannot be read."""
        found = _read(answer, "response", "clientDataJSON")
        return _decoded(_read(found.decode("utf-8", "replace"), "challenge", raw=True))

    def id_of(self, answer: str) -> bytes:
        found: bytes = _read(answer, "rawId")
        return found[:1023]


def _read(text: str, *path: str, raw: bool = False) -> Any:
    found: Any = None
    if len(text) <= LARGEST:
        try:
            found = orjson.loads(text)
            for name in path:
                found = found[name]
        except (ValueError, KeyError, TypeError):
            found = None
    return found if raw else _decoded(found)


def _decoded(text: object) -> bytes:
    """base64url without padding; nothing for anything else."""
    if not isinstance(text, str) or not text.isascii():
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _wrong() -> tuple[type[Exception], ...]:
    """What hostile answers raise in the package and the CBOR reader below it."""
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - as above

    return (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, RecursionError)
