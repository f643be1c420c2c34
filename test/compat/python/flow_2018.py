"""Secrets, keys, vaults and deleted vaults through the libraries of 2017 and 2018.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import inspect
import os

from azure.common.credentials import ServicePrincipalCredentials
from azure.keyvault import KeyVaultAuthentication, KeyVaultClient
from azure.keyvault.models import KeyVaultErrorException
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource import ResourceManagementClient

TENANT = os.environ['AZURE_TENANT_ID']
SUBSCRIPTION = os.environ['AZURE_SUBSCRIPTION_ID']
NAME = os.environ['FLOW_VAULT']
GROUP = NAME + '-group'
VAULT = 'https://%s.vault.azure.net' % NAME

# The library counts the callback's parameters with a function that Python 3.11
# no longer has.
if not hasattr(inspect, 'getargspec'):
    inspect.getargspec = inspect.getfullargspec


def service_principal(**more):
    return ServicePrincipalCredentials(
        client_id=os.environ['AZURE_CLIENT_ID'], secret=os.environ['AZURE_CLIENT_SECRET'], tenant=TENANT, **more)


def authenticate(server, resource, scope):
    assert server.startswith('https://login.'), server
    assert resource == 'https://vault.azure.net', resource
    token = service_principal(resource=resource).token
    return token['token_type'], token['access_token']


def saw(what):
    print('ok', what, flush=True)


management = service_principal()
ResourceManagementClient(management, SUBSCRIPTION).resource_groups.create_or_update(GROUP, {'location': 'eastus'})
saw('group')
vaults = KeyVaultManagementClient(management, SUBSCRIPTION).vaults
PARAMETERS = {
    'location': 'eastus',
    'properties': {
        'sku': {'name': 'standard'},
        'tenant_id': TENANT,
        'access_policies': [{
            'tenant_id': TENANT,
            'object_id': os.environ['AZURE_CLIENT_OID'],
            'permissions': {'keys': ['all'], 'secrets': ['all']},
        }],
    },
}


def create_vault(name):
    created = vaults.create_or_update(GROUP, name, PARAMETERS)
    return created.result() if hasattr(created, 'result') else created


created = create_vault(NAME)
assert created.properties.vault_uri.rstrip('/') == VAULT, created.properties.vault_uri
assert NAME in [v.name for v in vaults.list()]
assert NAME in [v.name for v in vaults.list_by_resource_group(GROUP)]
assert vaults.get(GROUP, NAME).properties.access_policies[0].permissions.keys == ['all']
saw('vault')

client = KeyVaultClient(KeyVaultAuthentication(authenticate))
key = client.create_key(VAULT, 'signer', 'RSA', key_size=2048)
again = client.get_key(VAULT, 'signer', '')
assert again.key.kid == key.key.kid and again.key.n == key.key.n and len(again.key.n) == 256
curve = client.create_key(VAULT, 'curve', 'EC', curve='SECP256K1' if client.api_version == '2016-10-01' else 'P-256K')
assert len(curve.key.x) == 32
assert sorted(k.kid.rsplit('/', 1)[1] for k in client.get_keys(VAULT)) == ['curve', 'signer']
digest = bytes(range(32))
signed = client.sign(VAULT, 'signer', '', 'RS256', digest)
assert signed.kid == key.key.kid and client.verify(VAULT, 'signer', '', 'RS256', digest, signed.result).value
assert not client.verify(VAULT, 'signer', '', 'RS256', digest[::-1], signed.result).value
closed = client.encrypt(VAULT, 'signer', '', 'RSA-OAEP', b'plain').result
assert client.decrypt(VAULT, 'signer', '', 'RSA-OAEP', closed).result == b'plain'
wrapped = client.wrap_key(VAULT, 'signer', '', 'RSA-OAEP', digest).result
assert client.unwrap_key(VAULT, 'signer', '', 'RSA-OAEP', wrapped).result == digest
saw('keys')

client.set_secret(VAULT, 'Password', 'first', tags={'team': 'blue'})
second = client.set_secret(VAULT, 'password', 's\u00e9cond')
assert client.get_secret(VAULT, 'PASSWORD', '').value == 's\u00e9cond'
assert len(list(client.get_secret_versions(VAULT, 'password'))) == 2
client.update_secret(VAULT, 'password', second.id.rsplit('/', 1)[1], content_type='text/plain')
for i in range(30):
    client.set_secret(VAULT, 'n%02d' % i, str(i))
assert len(list(client.get_secrets(VAULT, maxresults=7))) == 31
saw('secrets')

try:
    client.get_secret(VAULT, 'absent', '')
    raise SystemExit('an absent secret was answered')
except KeyVaultErrorException as e:
    assert e.response.status_code == 404 and e.message.startswith('(SecretNotFound)'), e.message
saw('refusal')

assert client.delete_secret(VAULT, 'password').recovery_id.endswith('/deletedsecrets/Password')
assert [s.id.rsplit('/', 1)[1] for s in client.get_deleted_secrets(VAULT)] == ['Password']
client.recover_deleted_secret(VAULT, 'password')
assert client.get_secret(VAULT, 'password', '').value == 's\u00e9cond'
saw('recovery')

create_vault(NAME + '-copy')
COPY = 'https://%s-copy.vault.azure.net' % NAME
secret_backup = client.backup_secret(VAULT, 'password').value
key_backup = client.backup_key(VAULT, 'signer').value
restored = client.restore_secret(COPY, secret_backup)
assert restored.id.startswith(COPY + '/secrets/'), restored.id
assert client.get_secret(COPY, 'password', '').value == 's\u00e9cond'
versions = [sorted(v.id.rsplit('/', 1)[1] for v in client.get_secret_versions(vault, 'password')) for vault in (VAULT, COPY)]
assert len(versions[0]) == 2 and versions[0] == versions[1], versions
assert client.restore_key(COPY, key_backup).key.n == key.key.n


def not_restored(status, code, restore, blob):
    try:
        restore(COPY, blob)
    except KeyVaultErrorException as e:
        assert e.response.status_code == status and e.message.startswith('(%s)' % code), e.message
        return
    raise SystemExit('a bad backup was restored')


not_restored(409, 'Conflict', client.restore_secret, secret_backup)
client.delete_secret(COPY, 'password')
not_restored(400, 'BadParameter', client.restore_secret, key_backup)
not_restored(400, 'BadParameter', client.restore_key, secret_backup)
not_restored(400, 'BadParameter', client.restore_secret, secret_backup[:-40])
not_restored(400, 'BadParameter', client.restore_secret, secret_backup[:200] + bytes([secret_backup[200] ^ 1]) + secret_backup[201:])
not_restored(400, 'BadParameter', client.restore_secret, b'something else')
saw('backup')

vaults.delete(GROUP, NAME)
assert NAME not in [v.name for v in vaults.list()]
print('DONE')
