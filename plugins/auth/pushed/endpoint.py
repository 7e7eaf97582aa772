"""`POST /par` (RFC 9126 section 2)."""

from __future__ import annotations

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.dpop.proofs import Proofs
from plugins.auth.oauth.authorization import Nowhere, asked, destination
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.errors import OAuthError, answer
from plugins.auth.oauth.parameters import parameters
from plugins.auth.oauth.token_endpoint import busy
from plugins.auth.pushed.requests import Pushed

PROVING = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


class PushedEndpoint:
    """audience: of tokens by default. A proof binds the code to its key (RFC 9449 section 10.1)."""

    def __init__(self, audience: str, clients: Clients, pushed: Pushed, proofs: Proofs) -> None:
        self._audience = audience
        self._clients = clients
        self._pushed = pushed
        self._proofs = proofs

    async def handle(self, request: web.Request) -> web.Response:
        try:
            return await self._pushed_by(request)
        except Nowhere:
            why = "redirect_uri is missing, or is not one that the client is registered with"
            return OAuthError("invalid_request", why).response()
        except OAuthError as error:
            return error.response()
        except BackendError as error:
            return busy(error)

    async def _pushed_by(self, request: web.Request) -> web.Response:
        sent = await parameters(request)
        client = await self._clients.authenticated(request, sent)
        if "request_uri" in sent:
            raise OAuthError("invalid_request", "a request_uri cannot be pushed")
        told = {name: value for name, value in sent.items() if name not in PROVING}
        told["client_id"] = client.id
        jkt = await self._proofs.presented(request, "/par")
        if jkt is not None and told.setdefault("dpop_jkt", jkt) != jkt:
            raise OAuthError("invalid_request", "dpop_jkt is not the key of the proof")
        asked(client, told, destination(client, told), self._audience)
        uri = await self._pushed.push(client, told)
        return answer({"request_uri": uri, "expires_in": self._pushed.options.lifetime}, 201)
