"""Two vaults with secrets and keys; delete, list deleted, recover and purge of
each kind; the group deleted at the end: through today's libraries.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import os
import uuid

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

TENANT = os.environ['AZURE_TENANT_ID']
SUBSCRIPTION = os.environ['AZURE_SUBSCRIPTION_ID']
GROUP = 'today-group'
FIRST, SECOND = 'today-one', 'today-two'


def saw(what):
    print('ok', what, flush=True)


def refused(status, code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except HttpResponseError as e:
        assert e.status_code == status, (e.status_code, str(e))
        assert e.error and e.error.code == code, str(e)
        return
    raise AssertionError('not refused')


credential = DefaultAzureCredential()
resources = ResourceManagementClient(credential, SUBSCRIPTION)
resources.resource_groups.create_or_update(GROUP, {'location': 'westeurope'})
assert resources.resource_groups.check_existence(GROUP)
management = KeyVaultManagementClient(credential, SUBSCRIPTION)
everything = {'keys': ['all', 'purge'], 'secrets': ['all', 'purge'], 'certificates': ['all']}
for name in (FIRST, SECOND):
    made = management.vaults.begin_create_or_update(GROUP, name, {
        'location': 'westeurope',
        'properties': {
            'sku': {'family': 'A', 'name': 'standard'},
            'tenantId': TENANT,
            'enableRbacAuthorization': False,
            'accessPolicies': [{'tenantId': TENANT, 'objectId': os.environ['AZURE_CLIENT_OID'], 'permissions': everything}],
        },
    }).result()
    assert made.properties.vault_uri == 'https://%s.vault.azure.net/' % name, made.properties.vault_uri
assert {FIRST, SECOND} <= {v.name for v in management.vaults.list_by_subscription()}
assert {FIRST, SECOND} == {v.name for v in management.vaults.list_by_resource_group(GROUP)}
saw('two vaults')

for name in (FIRST, SECOND):
    url = 'https://%s.vault.azure.net' % name
    secrets, keys = SecretClient(url, credential), KeyClient(url, credential)
    secrets.set_secret('database', 'hunter2 in ' + name, content_type='text/plain', tags={'a': 'b'})
    got = secrets.get_secret('database')
    assert got.value == 'hunter2 in ' + name and got.properties.tags == {'a': 'b'}
    secrets.update_secret_properties('database', got.properties.version, enabled=False)
    refused(403, 'Forbidden', secrets.get_secret, 'database')
    secrets.update_secret_properties('database', got.properties.version, enabled=True)
    for i in range(27):
        secrets.set_secret('many-%02d' % i, 'x')
    assert len(list(secrets.list_properties_of_secrets())) == 28
    saw('secrets of ' + name)

    rsa = keys.create_rsa_key('rsa', size=3072)
    assert len(rsa.key.n) == 384 and rsa.key_operations
    for curve in ('P-256', 'P-384', 'P-521', 'P-256K'):
        ec = keys.create_ec_key('ec-' + curve, curve=curve)
        assert ec.key.crv == curve, ec.key.crv
    assert keys.get_key('rsa').id == rsa.id
    crypto, digest = CryptographyClient(rsa, credential), bytes(range(32))
    closed = crypto.encrypt(EncryptionAlgorithm.rsa_oaep_256, b'plain').ciphertext
    assert crypto.decrypt(EncryptionAlgorithm.rsa_oaep_256, closed).plaintext == b'plain'
    wrapped = crypto.wrap_key(KeyWrapAlgorithm.rsa_oaep, digest).encrypted_key
    assert crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped).key == digest
    signature = crypto.sign(SignatureAlgorithm.ps256, digest)
    assert signature.key_id == rsa.id and crypto.verify(SignatureAlgorithm.ps256, digest, signature.signature).is_valid
    curve = CryptographyClient(keys.get_key('ec-P-256'), credential)
    assert curve.verify(SignatureAlgorithm.es256, digest, curve.sign(SignatureAlgorithm.es256, digest).signature).is_valid
    keys.create_rsa_key('rsa', size=2048)
    assert len(list(keys.list_properties_of_key_versions('rsa'))) == 2
    assert len(list(keys.list_properties_of_keys())) == 5
    saw('keys of ' + name)

    deleted = secrets.begin_delete_secret('database').result()
    assert deleted.scheduled_purge_date and deleted.recovery_id
    try:
        secrets.get_secret('database')
        raise AssertionError('a deleted secret was answered')
    except ResourceNotFoundError:
        pass
    refused(409, 'Conflict', secrets.set_secret, 'database', 'again')
    assert [s.name for s in secrets.list_deleted_secrets()] == ['database']
    secrets.begin_recover_deleted_secret('database').wait()
    assert secrets.get_secret('database').value == 'hunter2 in ' + name
    secrets.begin_delete_secret('database').wait()
    secrets.purge_deleted_secret('database')
    assert list(secrets.list_deleted_secrets()) == []
    saw('life of a secret of ' + name)

    keys.begin_delete_key('rsa').wait()
    assert [k.name for k in keys.list_deleted_keys()] == ['rsa']
    keys.begin_recover_deleted_key('rsa').wait()
    assert len(keys.get_key('rsa').key.n) == 256
    keys.begin_delete_key('rsa').wait()
    keys.purge_deleted_key('rsa')
    assert list(keys.list_deleted_keys()) == []
    saw('life of a key of ' + name)

first, second = ('https://%s.vault.azure.net' % name for name in (FIRST, SECOND))
here, there = SecretClient(first, credential), SecretClient(second, credential)
here.set_secret('moved', 'one')
here.set_secret('moved', 'two', tags={'kept': 'yes'})
blob = here.backup_secret('moved')
back = there.restore_secret_backup(blob)
assert back.vault_url == second and back.tags == {'kept': 'yes'}, back
assert there.get_secret('moved').value == 'two'
assert {v.version for v in there.list_properties_of_secret_versions('moved')} == {v.version for v in here.list_properties_of_secret_versions('moved')}
refused(409, 'Conflict', there.restore_secret_backup, blob)
there.begin_delete_secret('moved').wait()
refused(409, 'Conflict', there.restore_secret_backup, blob)
there.purge_deleted_secret('moved')
ec = KeyClient(first, credential).get_key('ec-P-384')
key_blob = KeyClient(first, credential).backup_key('ec-P-384')
KeyClient(second, credential).begin_delete_key('ec-P-384').wait()
KeyClient(second, credential).purge_deleted_key('ec-P-384')
assert KeyClient(second, credential).restore_key_backup(key_blob).key.x == ec.key.x
refused(400, 'BadParameter', there.restore_secret_backup, key_blob)
refused(400, 'BadParameter', KeyClient(second, credential).restore_key_backup, blob)
refused(400, 'BadParameter', there.restore_secret_backup, blob[:-1])
refused(400, 'BadParameter', there.restore_secret_backup, blob[:100] + bytes([blob[100] ^ 1]) + blob[101:])
assert [s.name for s in there.list_properties_of_secrets() if s.name == 'moved'] == []
saw('backup and restore')

management.vaults.delete(GROUP, FIRST)
assert FIRST in [v.name for v in management.vaults.list_deleted()]
assert management.vaults.get_deleted(FIRST, 'westeurope').properties.deletion_date
management.vaults.begin_create_or_update(GROUP, FIRST, {
    'location': 'westeurope',
    'properties': {'createMode': 'recover', 'tenantId': TENANT, 'sku': {'family': 'A', 'name': 'standard'}},
}).result()
assert len(list(SecretClient('https://%s.vault.azure.net' % FIRST, credential).list_properties_of_secrets())) == 28
saw('recovered vault')
management.vaults.delete(GROUP, SECOND)
management.vaults.begin_purge_deleted(SECOND, 'westeurope').wait()
assert SECOND not in [v.name for v in management.vaults.list_deleted()]
saw('purged vault')

authorization = AuthorizationManagementClient(credential, SUBSCRIPTION)
me = os.environ['AZURE_CLIENT_OID']
stranger = str(uuid.uuid4())
scope = management.vaults.get(GROUP, FIRST).id
reader, = authorization.role_definitions.list(scope, filter="roleName eq 'Key Vault Reader'")
assert authorization.role_definitions.get_by_id(reader.id).role_name == 'Key Vault Reader'
assert reader.permissions[0].data_actions, reader
name = str(uuid.uuid4())
wanted = {'properties': {'roleDefinitionId': reader.id, 'principalId': me}}
made = authorization.role_assignments.create(scope, name, wanted)
assert (made.principal_type, made.scope, made.role_definition_id, made.created_by) == ('ServicePrincipal', scope, reader.id, None), made
again = authorization.role_assignments.create(scope, name, wanted)
assert (again.id, again.created_by, again.created_on) == (made.id, me, made.created_on), again
refused(409, 'RoleAssignmentExists', authorization.role_assignments.create, scope, str(uuid.uuid4()), wanted)
wanted['properties']['principalId'] = stranger
refused(400, 'RoleAssignmentUpdateNotPermitted', authorization.role_assignments.create, scope, name, dict(wanted, properties=dict(wanted['properties'], principalType='User')))
refused(400, 'PrincipalNotFound', authorization.role_assignments.create, scope, str(uuid.uuid4()), wanted)
wanted['properties']['principalType'] = 'User'
root = authorization.role_assignments.create('/', str(uuid.uuid4()), wanted)
assert root.scope == '/' and authorization.role_assignments.get_by_id(root.id).principal_id == stranger
assert authorization.role_assignments.get(scope, name).id == made.id
for found in (
    authorization.role_assignments.list_for_scope(scope, filter='atScope()'),
    authorization.role_assignments.list_for_resource(GROUP, 'Microsoft.KeyVault', 'vaults', FIRST),
    authorization.role_assignments.list_for_resource_group(GROUP),
    authorization.role_assignments.list_for_subscription(),
):
    assert {made.id, root.id} <= {a.id for a in found}
assert [a.id for a in authorization.role_assignments.list_for_subscription(filter="principalId eq '%s'" % stranger)] == [root.id]
assert made.id not in [a.id for a in authorization.role_assignments.list_for_scope('/', filter='atScope()')]
assert authorization.role_assignments.delete(scope, name).id == made.id
assert authorization.role_assignments.delete(scope, name) is None
assert authorization.role_assignments.delete_by_id(root.id).id == root.id
refused(404, 'RoleAssignmentNotFound', authorization.role_assignments.get, scope, name)
refused(501, 'NotImplemented', authorization.role_definitions.create_or_update, scope, name, {'properties': {'roleName': 'mine'}})
saw('role assignments')

resources.resource_groups.begin_delete(GROUP).wait()
assert not resources.resource_groups.check_existence(GROUP)
assert FIRST in [v.name for v in management.vaults.list_deleted()]
saw('deleted group')
print('DONE')
