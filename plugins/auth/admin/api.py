"""The rooms of the API, put together."""

from __future__ import annotations

from backends.sql import Sql
from plugins.auth.access.rooms import Access
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.ways_in import WaysIn
from plugins.auth.admin.clients import ClientsApi
from plugins.auth.admin.groups import GroupsApi
from plugins.auth.admin.keys import KeysApi
from plugins.auth.admin.log import LogApi
from plugins.auth.admin.operation import Operation
from plugins.auth.admin.organisations import OrganisationsApi
from plugins.auth.admin.people import PeopleApi
from plugins.auth.admin.roles import RolesApi
from plugins.auth.admin.service_accounts import ServiceAccountsApi
from plugins.auth.admin.trusted import TrustedApi
from plugins.auth.admin.ways_in import WaysInApi
from plugins.auth.factors.devices import Devices
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.consents import Consents
from plugins.auth.registration.members import Rules
from plugins.auth.social.identities import Identities


def operations(
    *,
    sql: Sql,
    directory: Directory,
    sessions: Sessions,
    operators: Operators,
    identities: Identities,
    consents: Consents,
    devices: Devices,
    clients: Clients,
    keyring: Keyring,
    client_changes: ClientChanges,
    access: Access,
    rules: Rules,
) -> list[Operation]:
    return [
        *PeopleApi(sql, directory, sessions, operators).operations(),
        *WaysInApi(directory, WaysIn(sql, sessions), identities).operations(),
        *TrustedApi(directory, consents, devices).operations(),
        *ClientsApi(clients, client_changes, rules).operations(),
        *KeysApi(keyring).operations(),
        *LogApi(sql).operations(),
        *RolesApi(access.roles, access.scopes).operations(),
        *GroupsApi(access.groups, access.grants).operations(),
        *ServiceAccountsApi(access.service_accounts, access.api_keys).operations(),
        *OrganisationsApi(access.organisations, access.invitations).operations(),
    ]
