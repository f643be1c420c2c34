"""The life of a managed HSM with today's libraries: made through the management
plane, administered by roles of its own, its keys used.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import os
import uuid

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.administration import (
    KeyVaultAccessControlClient, KeyVaultDataAction, KeyVaultPermission, KeyVaultRoleScope, KeyVaultSettingsClient)
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import EncryptionAlgorithm
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

credential = DefaultAzureCredential()
subscription, tenant, owner = (os.environ[n] for n in ('AZURE_SUBSCRIPTION_ID', 'AZURE_TENANT_ID', 'AZURE_CLIENT_OID'))
management = KeyVaultManagementClient(credential, subscription)
ResourceManagementClient(credential, subscription).resource_groups.create_or_update('hsms', {'location': 'eastus'})


def saw(what):
    print('ok', what, flush=True)


def refused(do, status):
    try:
        do()
    except HttpResponseError as error:
        assert error.status_code == status, error
        return error
    raise AssertionError('it was not refused')


assert management.managed_hsms.check_mhsm_name_availability({'name': 'flow-hsm'}).name_available
made = management.managed_hsms.begin_create_or_update('hsms', 'flow-hsm', {
    'location': 'eastus', 'sku': {'family': 'B', 'name': 'Standard_B1'},
    'properties': {'tenantId': tenant, 'initialAdminObjectIds': [owner]}}).result()
assert made.properties.hsm_uri == 'https://flow-hsm.managedhsm.azure.net/' and made.properties.security_domain_properties.activation_status == 'Active', made
assert [h.name for h in management.managed_hsms.list_by_subscription()] == ['flow-hsm']
assert [h.name for h in management.managed_hsms.list_by_resource_group('hsms')] == ['flow-hsm']
assert management.managed_hsms.begin_update('hsms', 'flow-hsm', {'tags': {'a': 'b'}}).result().tags == {'a': 'b'}
saw('made hsm')

url = made.properties.hsm_uri
keys = KeyClient(url, credential)
error = refused(lambda: keys.create_oct_key('sealer', size=256, hardware_protected=True), 403)
assert error.error.code == 'AccessDenied' and 'Microsoft.KeyVault/managedHsm/keys/create on /keys/sealer' in error.message, error
saw('administrators use no keys')

access = KeyVaultAccessControlClient(url, credential)
settings = KeyVaultSettingsClient(url, credential)
roles = {r.role_name: r for r in access.list_role_definitions(KeyVaultRoleScope.GLOBAL)}
assert len(roles) >= 8 and roles['Managed HSM Crypto User'].role_type == 'AKVBuiltInRole'
mine = [a for a in access.list_role_assignments(KeyVaultRoleScope.GLOBAL)]
assert [(a.properties.principal_id, a.properties.role_definition_id) for a in mine] == [(owner, roles['Managed HSM Administrator'].id)], mine
given = [access.create_role_assignment(KeyVaultRoleScope.GLOBAL, roles[n].id, owner) for n in ('Managed HSM Crypto Officer', 'Managed HSM Crypto User')]
assert access.get_role_assignment(KeyVaultRoleScope.GLOBAL, given[0].name).properties.scope == '/'
refused(lambda: access.create_role_assignment(KeyVaultRoleScope.GLOBAL, given[0].properties.role_definition_id, owner), 409)
saw('roles given')

sealer = keys.create_oct_key('sealer', size=256, hardware_protected=True)
assert sealer.key_type == 'oct-HSM', sealer.key_type
crypto = keys.get_cryptography_client('sealer')
closed = crypto.encrypt(EncryptionAlgorithm.a256_gcm, b'plain', additional_authenticated_data=b'more')
opened = crypto.decrypt(closed.algorithm, closed.ciphertext, iv=closed.iv, authentication_tag=closed.tag, additional_authenticated_data=b'more')
assert opened.plaintext == b'plain'
assert len(keys.get_random_bytes(32)) == 32
assert keys.create_rsa_key('signer', size=2048).key_type == 'RSA-HSM'
saw('keys used')

here = access.create_role_assignment('/keys/sealer', roles['Managed HSM Crypto Auditor'].id, str(uuid.uuid4()))
assert here.properties.scope == '/keys/sealer' and here.name in [a.name for a in access.list_role_assignments('/keys/sealer')]
assert here.name not in [a.name for a in access.list_role_assignments(KeyVaultRoleScope.GLOBAL)]
assert access.delete_role_assignment('/keys/sealer', here.name) is None
refused(lambda: access.get_role_assignment('/keys/sealer', here.name), 404)
access.delete_role_assignment(KeyVaultRoleScope.GLOBAL, str(uuid.uuid4()))  # that there is none is no error
custom = access.set_role_definition(KeyVaultRoleScope.GLOBAL, role_name='signers', description='sign', permissions=[
    KeyVaultPermission(data_actions=[KeyVaultDataAction.SIGN_HSM_KEY])])
assert custom.role_type == 'CustomRole' and custom.permissions[0].data_actions == [KeyVaultDataAction.SIGN_HSM_KEY], custom
changed = access.set_role_definition(KeyVaultRoleScope.GLOBAL, name=custom.name, role_name='signers', permissions=[])
assert changed.id == custom.id and access.get_role_definition(KeyVaultRoleScope.GLOBAL, custom.name).permissions == []
access.delete_role_definition(KeyVaultRoleScope.GLOBAL, custom.name)
refused(lambda: access.get_role_definition(KeyVaultRoleScope.GLOBAL, custom.name), 404)
saw('custom roles')

(setting,) = settings.list_settings()
assert setting.name == 'AllowKeyManagementOperationsThroughARM' and setting.getboolean() is False
setting.value = 'true'
assert settings.update_setting(setting).getboolean() and settings.get_setting(setting.name).getboolean()
saw('settings')

management.managed_hsms.begin_delete('hsms', 'flow-hsm').result()
gone = management.managed_hsms.get_deleted('flow-hsm', 'eastus')
assert gone.properties.mhsm_id == made.id and [h.name for h in management.managed_hsms.list_deleted()] == ['flow-hsm']
refused(lambda: management.managed_hsms.get('hsms', 'flow-hsm'), 404)
management.managed_hsms.begin_create_or_update('hsms', 'flow-hsm', {
    'location': 'eastus', 'sku': {'family': 'B', 'name': 'Standard_B1'}, 'properties': {'tenantId': tenant, 'createMode': 'recover'}}).result()
assert keys.get_key('sealer').properties.version == sealer.properties.version
saw('recovered hsm')
management.managed_hsms.begin_delete('hsms', 'flow-hsm').result()
management.managed_hsms.begin_purge_deleted('flow-hsm', 'eastus').result()
assert not list(management.managed_hsms.list_deleted())
saw('purged hsm')
print('DONE')
